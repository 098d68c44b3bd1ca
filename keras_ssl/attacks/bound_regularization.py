"""Penalties that keep interval bounds tight and ReLUs in balance."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_positive
from keras_ssl.typing import Tensor

__all__ = ["bound_regularization"]


def bound_regularization(
    input_radius: Tensor, before_relu: Sequence[tuple[Tensor, Tensor]], tolerance: float = 0.5
) -> tuple[Tensor, Tensor]:
    r"""The penalties of bounds that grow, and of ReLUs that are mostly active or mostly inactive.

    With the mean radius :math:`\Delta_0` of the inputs and :math:`\Delta_i` of what the i-th of m ReLUs is given,

    .. math:: L_{tight} = \frac{1}{m} \sum_i \frac{\max(0, \tau - \Delta_0 / \Delta_i)}{\tau}

    is 0 where no bound is more than :math:`1 / \tau` times as wide as the input. A unit is active where its lower bound
    is above 0, inactive where its upper one is below. With the sums of the centers of both, and of their squared
    deviations from the mean center, let :math:`\alpha_i` and :math:`\beta_i` be the smaller over the larger (of the
    sizes):

    .. math:: L_{relu} = \frac{1}{m} \sum_i \frac{\max(0, \tau - \alpha_i) + \max(0, \tau - \beta_i)}{\tau}

    A layer in which no unit is either counts as balanced. Inputs of radius 0 have no tightness penalty.

    Args:
        input_radius: of the inputs, any shape.
        before_relu: the lower and the upper bound of the inputs of each ReLU.
        tolerance: :math:`\tau`, positive. Defaults to 0.5, the paper's.

    Returns:
        The tightness and the balance penalty, two scalars.

    Raises:
        ValueError: if `tolerance` is not positive and finite.

    Example:

    >>> tight, balance = bound_regularization(np.array([0.1]), [(np.array([-1.4, 0.2]), np.array([-0.2, 1.4]))])
    >>> round(float(tight), 4), float(balance)
    (0.6667, 0.0)

    Reference:
        Shi et al., "Fast Certified Robust Training with Short Warmup", NeurIPS 2021.
    """
    if not check_positive("tolerance", tolerance) < float("inf"):
        raise ValueError(f"`tolerance` must be finite. Received: tolerance={tolerance}")
    ops = keras.ops
    start = ops.mean(as_float(input_radius))
    zero = ops.zeros_like(start)
    if not before_relu:
        return zero, zero
    tight, balance = [], []
    for lower, upper in ((as_float(low), as_float(high)) for low, high in before_relu):
        center, radius = (lower + upper) / 2, ops.mean(upper - lower) / 2
        growth = ops.where(radius > 0, start / ops.where(radius > 0, radius, 1.0), tolerance)
        tight.append(ops.where(start > 0, ops.relu(tolerance - growth) / tolerance, 0.0))
        active, inactive = (ops.cast(part, center.dtype) for part in (lower > 0, upper < 0))
        square = ops.square(center - ops.mean(center))
        first = _ratio(ops.sum(center * active), -ops.sum(center * inactive))
        second = _ratio(ops.sum(square * active), ops.sum(square * inactive))
        balance.append((ops.relu(tolerance - first) + ops.relu(tolerance - second)) / tolerance)
    return ops.mean(ops.stack(tight)), ops.mean(ops.stack(balance))


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """The smaller over the larger of two numbers that are not negative; 1 where both are 0."""
    ops = keras.ops
    larger = ops.maximum(a, b)
    some = larger > 0
    return ops.where(some, ops.minimum(a, b) / ops.where(some, larger, 1.0), 1.0)
