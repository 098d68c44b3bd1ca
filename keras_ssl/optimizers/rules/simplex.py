"""Minima over convex weights, by exact steps between two weights at a time."""

from collections.abc import Callable

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

STEPS_PER_TASK = 64
TOLERANCE = 1e-6  # of slopes, where the largest inner product is 1


def check_gradients(gradients: Tensor) -> Tensor:
    """Gradients `[T, P]` in float32 or float64, without gradient.

    Raises:
        ValueError: if they are no matrix with a known, positive number of rows.
    """
    shape = getattr(gradients, "shape", None)
    gradients = as_float(gradients)
    if len(gradients.shape) != 2 or not gradients.shape[0]:
        raise ValueError(f"`gradients` must be a matrix [T, P] of T tasks. Received: gradients={shape}")
    return keras.ops.stop_gradient(gradients)


def products(gradients: Tensor) -> tuple[Tensor, Tensor]:
    """The inner products of gradients, divided by the largest square, and that square (1 where all are zero)."""
    ops = keras.ops
    gram = ops.matmul(gradients, ops.transpose(gradients))
    largest = ops.max(ops.diagonal(gram))
    largest = ops.where(largest > 0.0, largest, ops.ones_like(largest))
    return gram / largest, largest


def pairwise_minimum(
    count: int, slope: Callable[[Tensor], Tensor], length: Callable[[Tensor, Tensor], Tensor], like: Tensor
) -> Tensor:
    """The weights, `[count]`, at least 0 and of sum 1, at which a convex function is least.

    Each step moves weight from where the slope is highest to where it is lowest, as far as is best. With two tasks the
    first step is exact, with more the error falls by a factor at each.

    Args:
        count: T, the number of weights.
        slope: the gradient of the function at weights `[T]`.
        length: how far to go from weights `[T]` along a direction `[T]`; bounded to what keeps weights positive.
        like: a tensor of the type to compute in.
    """
    ops = keras.ops

    def gap(weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slopes = slope(weights)
        taken = ops.where(weights > 0.0, slopes, -1e30 * ops.ones_like(slopes))
        return ops.argmin(slopes), ops.argmax(taken), ops.max(taken) - ops.min(slopes)

    def step(weights: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        low, high, _ = gap(weights)
        down, up = (ops.one_hot(place, count, dtype=weights.dtype) for place in (low, high))
        available = ops.sum(up * weights)
        far = ops.where(ops.equal(low, high), ops.zeros_like(available), length(weights, down - up))
        far = ops.minimum(ops.maximum(far, 0.0), available)
        # Not by an addition alone: what is taken as a whole is 0 then, and not nearly so.
        emptied = ops.where(far >= available, up, ops.zeros_like(up))
        weights = (weights + far * (down - up)) * (1.0 - emptied)
        return weights, gap(weights)[2]

    start = ops.ones_like(like) / count
    weights, _ = ops.while_loop(
        lambda _, left: left > TOLERANCE, step, (start, gap(start)[2]), maximum_iterations=STEPS_PER_TASK * count
    )
    return ops.stop_gradient(weights)
