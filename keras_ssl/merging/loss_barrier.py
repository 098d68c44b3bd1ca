"""How much the loss rises on the straight line between two networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.check_numbers import check_numbers
from keras_ssl.losses.numeric import check_integer
from keras_ssl.weights.arrays import weight_arrays
from keras_ssl.weights.combine_weights import check_alike, combine_weights

__all__ = ["Barrier", "loss_barrier"]


@dataclass(frozen=True)
class Barrier:
    """The losses between two networks.

    Attributes:
        value: how far the loss rises above the line between the losses of the ends; 0 where it does not.
        shares: float64 `[points]`: the shares of A, from 0 to 1.
        losses: float64 `[points]`: the losses there.

    Example:

    >>> Barrier(0.0, np.array([0.0, 1.0]), np.array([2.0, 3.0])).value
    0.0
    """

    value: float
    shares: np.ndarray
    losses: np.ndarray


def loss_barrier(
    loss: Callable[[dict[str, np.ndarray]], float],
    weights_a: Mapping[str, np.ndarray],
    weights_b: Mapping[str, np.ndarray],
    points: int = 11,
) -> Barrier:
    r"""Measures the barrier of the loss between two networks.

    .. math:: \max_{0 \le s \le 1} L(s A + (1 - s) B) - (s L(A) + (1 - s) L(B))

    over equally spaced shares :math:`s`. At the ends the difference is 0, so that no barrier is negative. Networks
    without one are linearly connected: means of their weights are as good as they are. With batch normalization, let
    `loss` measure its statistics anew (`keras_ssl.weights.recalibrate_batch_norm`) before it computes the loss.

    Args:
        loss: a function of weights by name that returns a finite number; an error rate does as well.
        weights_a: of network A, such as `read_weights` returns.
        weights_b: of network B, such as `permute_weights` returns.
        points: number of shares, at least 2; an odd number includes the middle. Defaults to 11.

    Returns:
        A `Barrier`.

    Raises:
        ValueError: if `points` is out of range, the weights differ in names or shapes, or a loss is not finite.

    Example:

    >>> a, b = {"kernel": np.array([1.0])}, {"kernel": np.array([-1.0])}
    >>> loss_barrier(lambda weights: 1.0 - float(weights["kernel"][0]) ** 2, a, b, points=3)
    Barrier(value=1.0, shares=array([0. , 0.5, 1. ]), losses=array([0., 1., 0.]))

    References: Frankle et al., "Linear mode connectivity and the lottery ticket hypothesis", ICML 2020,
    https://arxiv.org/abs/1912.05671; Ainsworth et al., "Git Re-Basin: merging models modulo permutation symmetries",
    ICLR 2023, https://arxiv.org/abs/2209.04836.
    """
    points = check_integer("points", points, 2)
    if not callable(loss):
        raise ValueError(f"`loss` must be a function. Received: loss={loss!r}")
    weights_a, weights_b = weight_arrays("weights_a", weights_a), weight_arrays("weights_b", weights_b)
    check_alike("weights", [weights_a, weights_b])
    shares = np.linspace(0.0, 1.0, points)
    losses = np.array(
        [_number(loss(combine_weights([weights_a, weights_b], [share, 1.0 - share]))) for share in shares]
    )
    rises = losses - (shares * losses[-1] + (1.0 - shares) * losses[0])
    rises[[0, -1]] = 0.0  # without rounding
    return Barrier(float(rises.max()), shares, losses)


def _number(value: Any) -> float:
    """A loss, which may be a tensor, as a number."""
    array = check_numbers("loss(weights)", value)
    return check_number("loss(weights)", array.item() if array.size == 1 else array.tolist())
