"""Prototypes: learned directions that embeddings are compared with."""

from typing import Any

import keras

from keras_ssl.layers.state_layer import Plan, late
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class Prototypes(Configured, keras.layers.Layer):
    """Cosines of embeddings with `count` learned directions: `x / |x| @ (W / |W|)`, columns of W normalized.

    W is normalized in the call, not after a step: no step, and no average of several W, can leave the sphere. (A
    weight-normalized layer with its norm fixed at 1 is the same thing.) The gradient has no radial part; it shrinks
    as the columns grow, as with every normalized weight.

    The cosines are in float32 whatever the precision of the model, unless `dtype` says otherwise: they are divided
    by temperatures as low as 0.04.

    Args:
        count: number of prototypes, K.
        dimension: width of an embedding, D.
        freeze_steps: number of first updates during which the prototypes get no gradient. Defaults to 0. The
            optimizer then sees a gradient of zero, which leaves the directions where they are (weight decay changes
            the lengths of the columns only).

    Input: `[N, D]`. Output: `[N, K]`.

    Raises:
        ValueError: if `count` or `dimension` is not a positive integer, or `freeze_steps` a negative one.

    Example:

    >>> prototypes = Prototypes(5, 3)
    >>> tuple(prototypes(keras.ops.ones((2, 3))).shape)
    (2, 5)

    Reference: [Unsupervised Learning of Visual Features by Contrasting Cluster Assignments](
    https://arxiv.org/abs/2006.09882).
    """

    def __init__(self, count: int, dimension: int, freeze_steps: int = 0, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        for name, value, lowest in (
            ("count", count, 1),
            ("dimension", dimension, 1),
            ("freeze_steps", freeze_steps, 0),
        ):
            check_integer(name, value, lowest)
        self.count, self.dimension, self.freeze_steps = int(count), int(dimension), int(freeze_steps)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.dimension, self.count),
            # Columns of about unit length, so that a step turns them as far as one of normalized weights would.
            initializer=keras.initializers.RandomNormal(stddev=self.dimension**-0.5),
        )
        self.built = True

    def call(self, inputs: Tensor, updates: Tensor | None = None, training: bool = False) -> Tensor:
        """The cosines.

        Args:
            inputs: embeddings `[N, D]`.
            updates: number of updates made so far, which `freeze_steps` is compared with; None (default): not frozen.
            training: has no effect; taken so that the layer can stand behind others in a teacher.

        Returns:
            `[N, K]`, in [-1, 1].
        """
        kernel = keras.ops.convert_to_tensor(self.kernel)
        if updates is not None and self.freeze_steps:
            frozen = keras.ops.less(updates, self.freeze_steps)
            kernel = keras.ops.where(frozen, keras.ops.stop_gradient(kernel), kernel)
        directions = l2_normalize(keras.ops.transpose(kernel))
        cosines = keras.ops.matmul(l2_normalize(inputs), keras.ops.transpose(directions))
        return keras.ops.cast(cosines, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.count)

    def advice(self, plan: Plan) -> list[str]:
        """As `StateLayer.advice`."""
        return late("freeze_steps", self.freeze_steps, plan, "the prototypes never learn")
