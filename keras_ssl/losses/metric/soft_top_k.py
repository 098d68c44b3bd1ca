"""Which k candidates have the highest scores, in a form that has a gradient."""

import math

import keras

from keras_ssl.losses.metric.checks import check_entries, check_finite_positive, check_matrix, check_same_shape
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.typing import Tensor

__all__ = ["soft_top_k", "soft_top_k_loss"]

_HALVINGS = 50  # of an interval of float32 numbers, after which it is a point


def soft_top_k(scores: Tensor, k: int, temperature: float = 1.0) -> Tensor:
    r"""Soft indicators of the k largest scores: `sigmoid(s / T - t)`, the threshold t such that they add up to k.

    Found by bisection; the gradient is the exact one of the implicit equation, `dt/ds_j` being the share of
    candidate j in the sum of the sigmoids' slopes. As T goes to 0 the indicators go to 1 for the k largest scores and
    to 0 for the others; equal scores share.

    Args:
        scores: finite numbers, `[N, L]`.
        k: how many, from 1 to L - 1.
        temperature: T > 0. Defaults to 1.

    Returns:
        Numbers in (0, 1), `[N, L]`, whose rows add up to k.

    Raises:
        ValueError: if `scores` is not `[N, L]`, `k` is out of range, or the temperature is not positive.

    Example:

    >>> chosen = soft_top_k(np.array([[3.0, 2.0, 1.0, 0.0]]), k=2, temperature=0.1)
    >>> [round(float(each), 2) for each in chosen[0]]
    [1.0, 0.99, 0.01, 0.0]

    Reference:
        Gupta et al., "Dual-Encoders for Extreme Multi-Label Classification", ICLR 2024.
    """
    return keras.ops.sigmoid(_margins(scores, k, temperature))


def soft_top_k_loss(scores: Tensor, positives: Tensor, k: int, temperature: float = 1.0) -> Tensor:
    """How far the positives are from being among the k highest scores.

    `-sum_{l in P} log z_l` with `z = soft_top_k(scores, k, T)`: the sum over the positives of a row, the mean over
    all N rows. The paper writes the operator; that its logarithm is taken is our reading.

    Args:
        scores: finite numbers, `[N, L]`.
        positives: 1 where a candidate is a positive of the query, else 0, `[N, L]`.
        k: as for `soft_top_k`.
        temperature: T > 0. Defaults to 1.

    Returns:
        A scalar.

    Raises:
        ValueError: as for `soft_top_k`; if shapes differ, or `positives` has an entry outside [0, 1] (arrays only).

    Example:

    >>> round(float(soft_top_k_loss(np.zeros((1, 4)), np.array([[1, 1, 0, 0]]), k=2)), 4)
    1.3863
    """
    check_entries("positives", positives, 0.0, 1.0)
    margins, chosen = _margins(scores, k, temperature), check_matrix("positives", positives)
    check_same_shape("scores", margins, "positives", chosen)
    ops = keras.ops
    return ops.mean(ops.sum(ops.cast(chosen, margins.dtype) * ops.softplus(-margins), axis=1))


def _margins(scores: Tensor, k: int, temperature: float) -> Tensor:
    """How far each score over T lies above the threshold of its row, `[N, L]`."""
    check_finite_positive("temperature", temperature)
    ops = keras.ops
    logits = as_float(check_matrix("scores", scores)) / temperature
    size = logits.shape[1]
    if size is None:
        raise ValueError("`scores` must have a known number of candidates. Received: scores.shape=(N, None)")
    check_integer("k", k, 1, size - 1)
    fixed = ops.stop_gradient(logits)
    reach = math.log(size) + 1.0  # so far from all scores, the sigmoids add up to more than L - 1, or to less than 1
    low = ops.min(fixed, axis=1, keepdims=True) - reach
    high = ops.max(fixed, axis=1, keepdims=True) + reach
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = ops.sum(ops.sigmoid(fixed - middle), axis=1, keepdims=True) > k
        low, high = ops.where(above, middle, low), ops.where(above, high, middle)
    threshold = ops.stop_gradient(0.5 * (low + high))
    chosen = ops.sigmoid(fixed - threshold)
    slopes = chosen * (1.0 - chosen)
    # The threshold moves with the scores by their shares of the slope; the value stays.
    shares = ops.stop_gradient(slopes / ops.maximum(ops.sum(slopes, axis=1, keepdims=True), 1e-30))
    moved = ops.sum(shares * logits, axis=1, keepdims=True)
    return logits - threshold - (moved - ops.stop_gradient(moved))
