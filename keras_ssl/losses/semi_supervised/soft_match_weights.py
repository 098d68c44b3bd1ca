"""The weights of SoftMatch: a truncated Gaussian of the confidence."""

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["soft_match_weights"]


def soft_match_weights(confidence: Tensor, mean: Tensor, variance: Tensor, deviations: float = 1.0) -> Tensor:
    """1 above the mean confidence, and less the further below it: `exp(-deviations^2 min(c - mean, 0)^2 / (2 var))`.

    Args:
        confidence: c, the largest probability of each sample, `[N]`.
        mean: running mean of the confidence, a scalar.
        variance: running variance of the confidence, a scalar.
        deviations: the Gaussian's standard deviation is that of the confidence divided by this number; positive.
            Defaults to 1, the paper's; the authors' code has 2.

    Returns:
        Weights in [0, 1], float32 `[N]`, without gradient.

    Raises:
        ValueError: if `deviations` is not positive.

    Example:

    >>> weights = soft_match_weights(keras.ops.array([0.9, 0.3]), 0.5, 0.02)
    >>> [round(float(weight), 4) for weight in weights]
    [1.0, 0.3679]

    Reference: Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised Learning", ICLR
    2023.
    """
    if not 0.0 < deviations < float("inf"):
        raise ValueError(f"`deviations` must be greater than 0 and finite. Received: deviations={deviations}")
    ops = keras.ops
    confidence = as_float(confidence)
    below = ops.minimum(confidence - ops.cast(mean, confidence.dtype), 0.0)
    variance = ops.maximum(ops.cast(variance, confidence.dtype), 1e-12)
    return ops.stop_gradient(ops.exp(-0.5 * deviations**2 * ops.square(below) / variance))
