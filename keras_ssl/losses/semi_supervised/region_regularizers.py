"""Regularizers of self-training by region: smooth where there is a pseudo-label, sharp and consistent elsewhere."""

import math

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["region_consistency_loss", "region_entropy_loss", "region_smoothing_loss"]


def region_smoothing_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """`KL(uniform, softmax(logits))` of each sample, a mean over its pixels with a pseudo-label.

    It keeps a network from becoming certain of pseudo-labels that may be wrong.

    Args:
        logits: `[N, ..., K]`, such as `[N, H, W, K]`.
        labels: pseudo-labels, `[N, ...]`; -1 is an ignored pixel.

    Returns:
        float32 `[N]`: 0 for uniform predictions, and for a sample without a pseudo-label.

    Raises:
        ValueError: if `labels` has not the shape of `logits` without its last axis.

    Example:

    >>> round(abs(float(region_smoothing_loss(keras.ops.zeros((1, 2, 2, 3)), keras.ops.zeros((1, 2, 2)))[0])), 4)
    0.0

    Reference: Zhu et al., "Hard-aware Instance Adaptive Self-training for Unsupervised Cross-domain Semantic
    Segmentation", 2023, https://arxiv.org/abs/2302.06992.
    """
    ops = keras.ops
    log_p = ops.log_softmax(as_float(logits), axis=-1)
    return _mean(-ops.mean(log_p, axis=-1) - math.log(logits.shape[-1]), labels, logits, kept=True)


def region_entropy_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The entropy of each sample's predictions, in nats, a mean over its pixels without a pseudo-label.

    It makes a network decide where no pseudo-label says what to predict.

    Args:
        logits: `[N, ..., K]`.
        labels: pseudo-labels, `[N, ...]`; -1 is an ignored pixel.

    Returns:
        float32 `[N]`: 0 for one-hot predictions, and for a sample without an ignored pixel.

    Raises:
        ValueError: if `labels` has not the shape of `logits` without its last axis.

    Example:

    >>> round(float(region_entropy_loss(keras.ops.zeros((1, 2, 2, 4)), -keras.ops.ones((1, 2, 2)))[0]), 4)
    1.3863

    Reference: as for `region_smoothing_loss`.
    """
    ops = keras.ops
    log_p = ops.log_softmax(as_float(logits), axis=-1)
    return _mean(-ops.sum(ops.exp(log_p) * log_p, axis=-1), labels, logits, kept=False)


def region_consistency_loss(logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """The mean squared difference of two predictions as probabilities, over pixels without a pseudo-label.

    Args:
        logits: for one view of the samples, `[N, ..., K]`.
        teacher: logits for another one, or of a teacher, at the same pixels; no gradient flows into them.
        labels: pseudo-labels, `[N, ...]`; -1 is an ignored pixel.

    Returns:
        float32 `[N]`: a mean over ignored pixels and classes; 0 for a sample without an ignored pixel.

    Raises:
        ValueError: if `labels` has not the shape of `logits` without its last axis.

    Example:

    >>> ignored = -keras.ops.ones((1, 2, 2))
    >>> float(region_consistency_loss(keras.ops.zeros((1, 2, 2, 3)), keras.ops.zeros((1, 2, 2, 3)), ignored)[0])
    0.0

    Reference: as for `region_smoothing_loss`.
    """
    check_shape("teacher", teacher, logits.shape)
    ops = keras.ops
    target = ops.stop_gradient(ops.softmax(as_float(teacher, logits), axis=-1))
    difference = ops.softmax(as_float(logits), axis=-1) - target
    return _mean(ops.mean(ops.square(difference), axis=-1), labels, logits, kept=False)


def _mean(values: Tensor, labels: Tensor, logits: Tensor, kept: bool) -> Tensor:
    """The mean of each sample over the pixels with a pseudo-label (`kept`), or over the others; 0 where none is."""
    ops = keras.ops
    labels = ops.convert_to_tensor(labels)
    check_shape("labels", labels, logits.shape[:-1])
    chosen = ops.cast((labels >= 0) if kept else (labels < 0), values.dtype)
    places = tuple(range(1, len(values.shape)))
    if not places:
        return values * chosen
    return ops.sum(values * chosen, axis=places) / ops.maximum(ops.sum(chosen, axis=places), 1.0)
