"""REINFORCE: the gradient of an expected cost by the parameters of what is drawn at random."""

import math

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["beta_log_density", "policy_gradient_loss"]

_SHIFT = 8  # from 8 on the series below has the digits of float64


def _log_gamma(x: Tensor) -> Tensor:
    """`log Gamma(x)` for x > 0, of which `keras.ops` has none, by the recurrence and Stirling's series."""
    ops = keras.ops
    product = ops.log(x)
    for k in range(1, _SHIFT):
        product = product + ops.log(x + float(k))
    z = x + float(_SHIFT)
    inverse = 1.0 / z
    square = ops.square(inverse)
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    return (z - 0.5) * ops.log(z) - z + 0.5 * math.log(2.0 * math.pi) + series - product


def beta_log_density(x: Tensor, log_alpha: Tensor, log_beta: Tensor) -> Tensor:
    """`log p(x)` under Beta(alpha, beta), element by element.

    `(alpha - 1) log x + (beta - 1) log(1 - x) - log B(alpha, beta)`. Gradients flow into both parameters.

    Args:
        x: numbers strictly between 0 and 1.
        log_alpha, log_beta: logarithms of the parameters, of the shape of x. For alpha or beta beyond about 1e4
            float32 loses the digits.

    Returns:
        A tensor of that shape.

    Example:

    >>> density = beta_log_density(keras.ops.array([0.3]), keras.ops.log([2.0]), keras.ops.log([1.0]))
    >>> round(float(keras.ops.exp(density)[0]), 4)  # Beta(2, 1) has the density 2 x
    0.6
    """
    ops = keras.ops
    x, log_alpha, log_beta = as_float(x), as_float(log_alpha, x), as_float(log_beta, x)
    alpha, beta = ops.exp(log_alpha), ops.exp(log_beta)
    normalizer = _log_gamma(alpha) + _log_gamma(beta) - _log_gamma(alpha + beta)
    return (alpha - 1.0) * ops.log(x) + (beta - 1.0) * ops.log1p(-x) - normalizer


def policy_gradient_loss(
    costs: Tensor, log_densities: Tensor, weights: Tensor | None = None, baseline: bool = True
) -> Tensor:
    """A loss whose gradient estimates that of the expected cost (Williams' REINFORCE).

    `mean_i stop_gradient(c_i - b_i) log p(m_i)`: c is the cost of what was drawn, log p the log density of all of the
    draw. Its gradient by the parameters of p is an unbiased estimate of that of `E[c]`; its value means nothing. No
    gradient flows into the costs. The baseline b_i is the mean cost of the other samples, which leaves the estimate
    unbiased and lowers its variance.

    Args:
        costs: to be made small, `[N]`; minus the reward.
        log_densities: `[N]`.
        weights: 1 for samples that count and 0 for others, `[N]`. Defaults to None: all count.
        baseline: whether to subtract b. Defaults to True. Of a single sample nothing is subtracted.

    Returns:
        A scalar.

    Raises:
        ValueError: if the two are not vectors of one length.

    Example:

    >>> float(policy_gradient_loss(keras.ops.array([1.0, 3.0]), keras.ops.array([0.5, 1.0])))
    0.5

    Reference:
        Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning", 1992.
    """
    ops = keras.ops
    costs, log_densities = ops.stop_gradient(as_float(costs)), as_float(log_densities, costs)
    if len(costs.shape) != 1 or tuple(costs.shape) != tuple(log_densities.shape):
        raise ValueError(
            "`log_densities` must be a vector of the length of `costs`. Received: "
            f"log_densities.shape={tuple(log_densities.shape)}, costs.shape={tuple(costs.shape)}"
        )
    weights = ops.ones_like(costs) if weights is None else ops.cast(weights, costs.dtype)
    costs = ops.where(weights > 0.0, costs, ops.zeros_like(costs))
    counted = ops.sum(weights)
    if baseline:
        others = (ops.sum(weights * costs) - weights * costs) / ops.maximum(counted - 1.0, 1.0)
        costs = ops.where(counted > 1.0, costs - others, costs)
    return ops.sum(weights * costs * log_densities) / ops.maximum(counted, 1.0)
