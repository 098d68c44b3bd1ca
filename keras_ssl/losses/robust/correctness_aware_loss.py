"""The loss of a calibrator: confidence 1 for right predictions, 0 for wrong ones."""

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.robust.class_logits import class_logits
from keras_ssl.typing import Tensor

__all__ = ["correctness_aware_loss"]


def correctness_aware_loss(logits: Tensor, labels: Tensor, temperatures: Tensor) -> Tensor:
    """The squared distance of each sample's confidence from whether it is classified correctly.

    `(1[argmax f = y] - max softmax(f / T))^2`. It rises in T for a sample that is right, and falls in T for one that
    is wrong, however narrowly; cross-entropy would raise the confidence of a narrow mistake.

    Args:
        logits: f, `[N, K]`.
        labels: class numbers y, integers `[N]`.
        temperatures: T, positive, `[N]` or a scalar. Gradients flow through it.

    Returns:
        float32 `[N]`, in [0, 1].

    Raises:
        ValueError: if a shape is wrong or a label is no class.

    Example:

    >>> logits, labels = keras.ops.array([[0.0, 0.0], [9.0, 0.0]]), keras.ops.array([0, 0])
    >>> [round(float(value), 4) for value in correctness_aware_loss(logits, labels, 1.0)]
    [0.25, 0.0]

    Reference:
        Liu et al., "Optimizing Calibration by Gaining Aware of Prediction Correctness", 2024.
    """
    ops = keras.ops
    logits, labels = class_logits(logits, labels)
    temperatures = ops.cast(as_float(temperatures), logits.dtype)
    if len(temperatures.shape) > 1:
        raise ValueError(f"`temperatures` must be [N] or a scalar. Received: shape={tuple(temperatures.shape)}")
    scaled = logits / (temperatures[:, None] if len(temperatures.shape) else temperatures)
    confidence = ops.max(ops.softmax(scaled, axis=1), axis=1)
    right = ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=1), "int32"), labels), confidence.dtype)
    return ops.square(right - confidence)
