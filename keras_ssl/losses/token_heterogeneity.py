"""How unlike hidden and visible tokens of an image are, in bits of entropy."""

import math

import keras

from keras_ssl.losses.numeric import as_float, same_shape
from keras_ssl.typing import Tensor

__all__ = ["patch_heterogeneity", "token_heterogeneity"]

_EPSILON = 1e-6


def token_heterogeneity(tokens: Tensor, hidden: Tensor) -> Tensor:
    """How unlike the hidden tokens of each sample are to its visible ones, from 0 (alike) to 1.

    A token, standardized over its width, is a distribution `softmax(token)`. With h the mean distribution of the hidden
    tokens, v that of the visible ones and S the entropy, it is `(S((h + v) / 2) - (S(h) + S(v)) / 2) / log 2`, the
    Jensen-Shannon divergence in bits. Where nothing is hidden, or all, it is 0.

    Args:
        tokens: `[N, T, D]`.
        hidden: 1 for hidden tokens, else 0; `[N, T]`.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> float(token_heterogeneity(np.ones((1, 3, 4), "float32"), np.array([[1.0, 0.0, 0.0]], "float32"))[0])
    0.0

    This measure is the library's own; the idea is of Choi et al., "Emerging Property of Masked Token for Effective
    Pre-training", ECCV 2024, whose formula was not to be had.
    """
    p, weights = _distributions(tokens, hidden)
    h, v = _mean(p, weights), _mean(p, 1.0 - weights)
    return _divergence(h, v) * _both(weights)


def patch_heterogeneity(tokens: Tensor, hidden: Tensor) -> Tensor:
    """How unlike each token of a sample is to its visible tokens together, from 0 to 1.

    As `token_heterogeneity`, with the distribution of one token in the place of h.

    Args:
        tokens: `[N, T, D]`.
        hidden: 1 for hidden tokens, else 0; `[N, T]`.

    Returns:
        float32 `[N, T]`; 0 where nothing is hidden, or all.

    Raises:
        ValueError: if the shapes do not fit.
    """
    p, weights = _distributions(tokens, hidden)
    v = _mean(p, 1.0 - weights)
    return _divergence(p, v[:, None]) * _both(weights)[:, None]


def _distributions(tokens: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    if len(tokens.shape) != 3 or not same_shape(hidden.shape, tokens.shape[:2]):
        raise ValueError(
            "`tokens` and `hidden` must have the shapes [N, T, D] and [N, T]. "
            f"Received: tokens.shape={tuple(tokens.shape)}, hidden.shape={tuple(hidden.shape)}"
        )
    ops, x = keras.ops, as_float(tokens)
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    scaled = centered / ops.sqrt(ops.mean(ops.square(centered), axis=-1, keepdims=True) + _EPSILON)
    return ops.softmax(scaled, axis=-1), as_float(hidden, tokens)


def _mean(p: Tensor, weights: Tensor) -> Tensor:
    """The mean distribution of the tokens with weight; uniform where there is none, so that its entropy is finite."""
    ops = keras.ops
    total = ops.sum(weights, axis=1, keepdims=True)
    mean = ops.sum(weights[:, :, None] * p, axis=1) / ops.maximum(total, 1.0)
    return ops.where(total > 0.0, mean, ops.full_like(mean, 1.0 / p.shape[-1]))


def _both(weights: Tensor) -> Tensor:
    """1 for samples with hidden and visible tokens, else 0."""
    ops = keras.ops
    mixed = ops.logical_and(ops.max(weights, axis=1) > 0.0, ops.min(weights, axis=1) < 1.0)
    return ops.cast(mixed, weights.dtype)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """The Jensen-Shannon divergence of distributions over the last axis, in bits."""
    ops, middle = keras.ops, 0.5 * (p + q)

    def toward(a: Tensor) -> Tensor:
        return ops.sum(a * (ops.log(a) - ops.log(middle)), axis=-1)

    # As divergences from the middle: a difference of entropies loses the digits of a small one.
    return 0.5 * (toward(p) + toward(q)) / math.log(2.0)
