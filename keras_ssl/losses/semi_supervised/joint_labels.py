"""Labels of a class and of a transformation at once, and how their logits are put together."""

import keras

from keras_ssl.losses.numeric import as_float, check_classes, check_integer
from keras_ssl.typing import Tensor

__all__ = ["aggregate_joint_logits", "joint_labels", "split_joint_labels"]


def joint_labels(classes: Tensor, transforms: Tensor, count: int) -> Tensor:
    """The joint label `class * count + transform`; -1 where the class is -1.

    Args:
        classes: class numbers, `[N]`.
        transforms: numbers of the transformations, from 0 to `count` - 1, `[N]`.
        count: number of transformations M, at least 1.

    Returns:
        int32 `[N]`.

    Raises:
        ValueError: if `count` is not a positive integer, the shapes differ, or a transformation is none of them
            (arrays only).

    Example:

    >>> [int(label) for label in joint_labels(np.array([0, 2, -1]), np.array([3, 1, 1]), 4)]
    [3, 9, -1]

    Reference: Lee et al., "Self-supervised Label Augmentation via Input Transformations", ICML 2020.
    """
    check_integer("count", count, 1)
    classes = keras.ops.cast(classes, "int32")
    transforms = check_classes("transforms", transforms, classes.shape, count)
    return keras.ops.where(classes < 0, classes, classes * count + transforms)


def split_joint_labels(labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The classes and the transformations of joint labels, the inverse of `joint_labels`.

    Args:
        labels: joint labels of at least 0, `[N]`.
        count: number of transformations M, at least 1.

    Returns:
        Two tensors, int32 `[N]`.

    Raises:
        ValueError: if `count` is not a positive integer.

    Example:

    >>> classes, transforms = split_joint_labels(np.array([3, 9]), 4)
    >>> [int(value) for value in classes], [int(value) for value in transforms]
    ([0, 2], [3, 1])

    Reference: Lee et al., "Self-supervised Label Augmentation via Input Transformations", ICML 2020.
    """
    check_integer("count", count, 1)
    labels = keras.ops.cast(labels, "int32")
    return labels // count, labels % count


def aggregate_joint_logits(logits: Tensor) -> Tensor:
    """The mean, over the transformations, of the logits that belong to the transformation that was applied.

    `aggregate[n, y] = (1 / M) sum_j logits[n, j, y * M + j]`.

    Args:
        logits: `[N, M, K * M]`: of the j-th transformation of a sample, for all joint labels.

    Returns:
        float32 `[N, K]`.

    Raises:
        ValueError: if the last axis is no multiple of M.

    Example:

    >>> logits = keras.ops.array([[[1.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 6.0]]])
    >>> [float(value) for value in aggregate_joint_logits(logits)[0]]
    [2.0, 4.0]

    Reference: Lee et al., "Self-supervised Label Augmentation via Input Transformations", ICML 2020.
    """
    ops, logits = keras.ops, as_float(logits)
    count, width = logits.shape[1], logits.shape[2]
    if width % count:
        raise ValueError(
            "`logits` must hold a multiple of M joint labels, [N, M, K * M]. "
            f"Received: logits.shape={tuple(logits.shape)}"
        )
    table = ops.reshape(logits, (-1, count, width // count, count))
    return ops.mean(ops.sum(table * ops.eye(count, dtype=logits.dtype)[None, :, None, :], axis=3), axis=1)
