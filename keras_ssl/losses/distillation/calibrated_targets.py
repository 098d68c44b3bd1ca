"""Targets of a teacher where it is sure, of labels where it is not."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_classes
from keras_ssl.typing import Tensor

__all__ = ["calibrated_targets", "teacher_confidence"]


def teacher_confidence(teacher: Tensor) -> Tensor:
    """The probability of the teacher's most likely class, float32 `[N]`, of logits `[N, K]`, without gradient."""
    return keras.ops.max(keras.ops.softmax(keras.ops.stop_gradient(as_float(teacher)), axis=1), axis=1)


def calibrated_targets(teacher: Tensor, labels: Tensor, threshold: float = 0.3, smoothing: float = 0.1) -> Tensor:
    """The teacher's probabilities where it is confident, a smoothed label elsewhere; without gradient.

    A teacher whose largest probability is at most `threshold` does not know the view; its sample gets the label with
    the mass `1 - smoothing`, the rest shared by the other classes. A sample without a label keeps the teacher's
    probabilities. At the threshold 0 all targets are the teacher's, at 1 all labeled samples have label smoothing.

    Args:
        teacher: logits, `[N, K]`, K > 1.
        labels: class numbers, `[N]`; negative for none.
        threshold: in [0, 1]. Defaults to 0.3.
        smoothing: in [0, 1). Defaults to 0.1.

    Returns:
        float32 `[N, K]`; each row sums to 1.

    Raises:
        ValueError: if a number is out of range, the logits are no matrix of at least two columns,
            the shapes do not fit, or a label is no class (arrays only).

    Example:

    >>> targets = calibrated_targets(keras.ops.zeros((1, 3)), np.array([2]), threshold=0.5, smoothing=0.2)
    >>> [round(float(p), 3) for p in targets[0]]
    [0.1, 0.1, 0.8]

    Reference: Shen, "FerKD: Surgical Label Adaptation for Efficient Distillation", ICCV 2023. Its thresholds are not in
    its code; the default is ours.
    """
    check_number("threshold", threshold, 0.0, 1.0)
    check_number("smoothing", smoothing, 0.0, 1.0, below=True)
    if len(teacher.shape) != 2 or teacher.shape[1] is None or teacher.shape[1] < 2:
        raise ValueError(f"`teacher` must be logits [N, K], K > 1. Received: teacher.shape={tuple(teacher.shape)}")
    ops, classes = keras.ops, teacher.shape[1]
    soft = ops.softmax(ops.stop_gradient(as_float(teacher)), axis=1)
    labels = check_classes("labels", labels, teacher.shape[:1], classes)
    one_hot = ops.one_hot(ops.maximum(labels, 0), classes, dtype=soft.dtype)
    hard = (1.0 - smoothing) * one_hot + smoothing / (classes - 1) * (1.0 - one_hot)
    unsure = ops.logical_and(teacher_confidence(teacher) <= threshold, labels >= 0)
    return ops.where(unsure[:, None], hard, soft)
