"""A classifier that looks for prototypes of parts."""

from typing import Any

import keras

from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["ProtoPNetHead"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class ProtoPNetHead(keras.layers.Layer):
    r"""Classifies a feature map by how strongly each class's prototypes appear somewhere in it.

    Each class has m prototypes, vectors as wide as the map. The activation of prototype j at place p is the cosine
    :math:`a_{jp} = \cos(z_p, w_j)`, its score the largest of all places, :math:`s_j = \max_p a_{jp}`. The logit of a
    class is a weighted sum over its own prototypes alone (score aggregation),

    .. math:: l_k = m \sum_{j \in k} \operatorname{softmax}(v_k)_j \, s_j

    with learned :math:`v`, zero at the start: the sum of the scores. Prototypes number `k * m` to `k * m + m - 1` are
    those of class k. Train with the cross-entropy of the logits, plus `proto_pnet_loss` of the scores and, where the
    prototypes are to mean the same to the eye as to the network, `shallow_deep_loss`.

    The cosines are in float32 whatever the precision of the model, unless `dtype` says otherwise. In the authors' code
    the activations are products with unit prototypes, and only the distances cosines; here both are cosines.

    Args:
        classes: number of classes, K, at least 2.
        prototypes_per_class: m. Defaults to 10, the paper's.
        weighted: whether v is learned; False gives each prototype of a class the same weight. Defaults to True.

    Input: `[N, H, W, C]`. Output: logits `[N, K]`. `activations(maps)` gives `[N, H, W, K * m]`, and `scores(maps)` and
    `logits(scores)` the two steps of the call.

    Raises:
        ValueError: if `classes` or `prototypes_per_class` is out of range; when built, if the input is no map of known
            width.

    Example:

    >>> head = ProtoPNetHead(classes=3, prototypes_per_class=2)
    >>> tuple(head(np.ones((4, 5, 5, 8), "float32")).shape), tuple(head.prototypes.shape)
    ((4, 3), (6, 8))

    Reference:
        Chen et al., "This Looks Like That: Deep Learning for Interpretable Image Recognition", NeurIPS 2019; cosines,
        score aggregation: Huang et al., "Evaluation and Improvement of Interpretability for Self-Explainable
        Part-Prototype Networks", ICCV 2023.
    """

    def __init__(self, classes: int, prototypes_per_class: int = 10, weighted: bool = True, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.classes = check_integer("classes", classes, 2)
        self.prototypes_per_class = check_integer("prototypes_per_class", prototypes_per_class, 1)
        self.weighted = bool(weighted)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(f"The input must be maps [N, H, W, C]. Received: input_shape={tuple(input_shape)}")
        width = int(input_shape[-1])
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(self.classes * self.prototypes_per_class, width),
            initializer=keras.initializers.RandomNormal(stddev=width**-0.5),
        )
        self.weights_of_scores = self.add_weight(
            name="weights_of_scores",
            shape=(self.classes, self.prototypes_per_class),
            initializer="zeros",
            trainable=self.weighted,
        )

    def activations(self, maps: Tensor) -> Tensor:
        """The cosine of each prototype with each place, `[N, H, W, K * m]`, of maps `[N, H, W, C]`."""
        return keras.ops.matmul(l2_normalize(maps), keras.ops.transpose(l2_normalize(self.prototypes)))

    def scores(self, maps: Tensor) -> Tensor:
        """The largest activation of each prototype, `[N, K * m]`."""
        return keras.ops.max(self.activations(maps), axis=(1, 2))

    def logits(self, scores: Tensor) -> Tensor:
        """The logits `[N, K]` of scores `[N, K * m]`."""
        if self.prototypes_per_class == 1:  # of which Keras would warn
            return scores
        shares = keras.ops.softmax(as_float(self.weights_of_scores), axis=1) * self.prototypes_per_class
        by_class = keras.ops.reshape(scores, (-1, self.classes, self.prototypes_per_class))
        return keras.ops.sum(by_class * shares, axis=2)

    def call(self, maps: Tensor) -> Tensor:
        return keras.ops.cast(self.logits(self.scores(maps)), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.classes)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("classes", "prototypes_per_class", "weighted")}
        return {**super().get_config(), **own}
