"""Gradients of which none opposes another one."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_ssl.optimizers.rules.simplex import check_gradients, products
from keras_ssl.typing import Tensor

__all__ = ["pc_grad"]


def pc_grad(gradients: Tensor, order: Sequence[int] | Tensor | None = None) -> Tensor:
    """Gradient surgery: each gradient loses what opposes the others, and the results are added up.

    For each task i, `g = g_i`; then for the tasks j != i one after another, where `g . g_j < 0`:
    `g = g - (g . g_j) / ||g_j||^2 g_j`, with the `g_j` as given. The result is the sum over i. Where no two gradients
    oppose each other it is their sum.

    Args:
        gradients: one flat gradient for each task, `[T, P]`, T known when it is traced.
        order: the order in which each task meets the others, a permutation of 0 to T - 1, which may be a tensor. The
            paper draws one at random for each task and step. Defaults to None: ascending. With two tasks it does not
            matter.

    Returns:
        `[P]`, float32.

    Raises:
        ValueError: if `gradients` is no matrix, or `order` is no permutation of its rows.

    Example:

    >>> keras.ops.convert_to_numpy(pc_grad(np.array([[1.0, 0.0], [-1.0, 1.0]]))).astype("float64").round(4).tolist()
    [0.5, 1.5]

    Reference: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020.
    """
    ops = keras.ops
    gradients = check_gradients(gradients)
    count = int(gradients.shape[0])
    if order is None:
        order = np.arange(count)
    elif isinstance(order, list | tuple | np.ndarray):
        if sorted(np.asarray(order).reshape(-1).tolist()) != list(range(count)):
            raise ValueError(f"`order` must be a permutation of 0 to {count - 1}. Received: order={order}")
    places: Tensor = ops.convert_to_tensor(order, "int32")
    if tuple(places.shape) != (count,):
        raise ValueError(f"`order` must have one place for each of {count} tasks. Received: order={places.shape}")
    # All vectors are combinations of the gradients, so it takes their inner products only.
    gram, _ = products(gradients)
    kept = ops.eye(count, dtype=gram.dtype)
    for place in range(count):
        other = ops.one_hot(places[place], count, dtype=gram.dtype)
        inner = ops.matmul(kept, ops.matmul(gram, other))
        square = ops.sum(other * ops.matmul(gram, other))
        opposes = ops.logical_and(ops.logical_and(inner < 0.0, other < 0.5), square > 0.0)
        share = ops.where(opposes, inner / ops.where(square > 0.0, square, ops.ones_like(square)), 0.0)
        kept = kept - share[:, None] * other[None, :]
    return ops.matmul(ops.sum(kept, axis=0), gradients)
