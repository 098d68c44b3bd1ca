"""Cross-entropy of a prediction for a masked image to a teacher's label for the whole one."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["masked_consistency_loss"]


def masked_consistency_loss(student: Tensor, teacher: Tensor, threshold: float | None = None) -> Tensor:
    """`q * CE(argmax teacher, softmax(student))` of each sample: the loss of masked image consistency.

    Without a threshold q is the teacher's largest probability, as in the authors' code for classification. With one,
    q is the share of confident predictions, `max softmax(teacher) > threshold`, as for segmentation: over the pixels
    of each image, or, where a sample has one prediction, over the samples given.

    Args:
        student: logits for masked inputs, `[N, K]` or `[N, ..., K]` of pixels.
        teacher: logits for whole inputs, of the same shape; no gradient flows into them.
        threshold: in [0, 1]. Defaults to None.

    Returns:
        float32 `[N]`: of pixels, the mean over them.

    Raises:
        ValueError: if `threshold` lies outside [0, 1], or the shapes differ.

    Example:

    >>> student, teacher = keras.ops.zeros((1, 2)), keras.ops.array([[0.0, 100.0]])
    >>> round(float(masked_consistency_loss(student, teacher)[0]), 4)
    0.6931

    Reference: Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", CVPR 2023.
    """
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise ValueError(f"`threshold` must lie in [0, 1] or be None. Received: threshold={threshold}")
    check_shape("teacher", teacher, student.shape)
    ops = keras.ops
    teacher, student = ops.stop_gradient(as_float(teacher, student)), as_float(student)
    label = ops.argmax(teacher, axis=-1)
    chosen = ops.take_along_axis(ops.log_softmax(student, axis=-1), label[..., None], axis=-1)[..., 0]
    confidence = ops.cast(ops.max(ops.softmax(teacher, axis=-1), axis=-1), chosen.dtype)
    places = tuple(range(1, len(chosen.shape)))
    if threshold is not None:
        confidence = ops.mean(ops.cast(confidence > threshold, chosen.dtype), axis=places or None, keepdims=True)
    losses = -chosen * confidence
    return ops.mean(losses, axis=places) if places else losses
