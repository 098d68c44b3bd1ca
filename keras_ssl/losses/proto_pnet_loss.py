"""What draws prototypes of parts to the images of their own class."""

import keras

from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.robust.class_logits import class_logits
from keras_ssl.typing import Tensor

__all__ = ["proto_pnet_loss"]


def proto_pnet_loss(scores: Tensor, labels: Tensor, prototypes_per_class: int) -> tuple[Tensor, Tensor]:
    r"""The cluster and the separation cost of a part-prototype network.

    With the distance :math:`d_{nj} = 1 - s_{nj}` of image n to prototype j, s being the highest cosine in the image,

    .. math:: \text{cluster} = \frac{1}{N} \sum_n \min_{j \in y_n} d_{nj}, \qquad
              \text{separation} = -\frac{1}{N} \sum_n \min_{j \notin y_n} d_{nj}

    Both are to be minimized: each image should be near one prototype of its class, and far from those of all others.
    The paper's loss is the cross-entropy plus 0.8 times the cluster cost plus 0.08 times the separation cost.

    Args:
        scores: of all prototypes, `[N, K * m]`, such as `ProtoPNetHead.scores`; those of class k in the columns
            `k * m` to `k * m + m - 1`.
        labels: class numbers, `[N]`.
        prototypes_per_class: m, a divisor of the number of columns that leaves 2 classes or more.

    Returns:
        The cluster and the separation cost, two scalars in float32.

    Raises:
        ValueError: if shapes do not fit, a label is no class, or `prototypes_per_class` is out of range.

    Example:

    >>> scores = keras.ops.array([[0.9, 0.2, 0.1, -0.5]])
    >>> cluster, separation = proto_pnet_loss(scores, keras.ops.array([0]), prototypes_per_class=2)
    >>> round(float(cluster), 4), round(float(separation), 4)
    (0.1, -0.9)

    Reference:
        Chen et al., "This Looks Like That: Deep Learning for Interpretable Image Recognition", NeurIPS 2019.
    """
    ops, count = keras.ops, check_integer("prototypes_per_class", prototypes_per_class, 1)
    scores = as_float(scores)
    if len(scores.shape) != 2 or scores.shape[1] is None or scores.shape[1] % count or scores.shape[1] // count < 2:
        raise ValueError(
            "`scores` must be [N, classes * prototypes_per_class] of at least 2 classes. "
            f"Received: scores.shape={tuple(scores.shape)}, prototypes_per_class={count}"
        )
    classes = scores.shape[1] // count
    nearest = 1.0 - ops.max(ops.reshape(scores, (-1, classes, count)), axis=2)
    nearest, labels = class_logits(nearest, ops.cast(labels, "int32"))
    own = ops.one_hot(labels, classes, dtype="bool")
    cluster = ops.mean(ops.min(ops.where(own, nearest, float("inf")), axis=1))
    separation = -ops.mean(ops.min(ops.where(own, float("inf"), nearest), axis=1))
    return cluster, separation
