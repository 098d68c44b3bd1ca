"""Euclidean distances whose gradient is finite everywhere."""

import keras

from keras_ssl.typing import Tensor


def euclidean_distances(a: Tensor, b: Tensor) -> Tensor:
    """The distances of the rows of `a` `[N, D]` and `b` `[M, D]`, `[N, M]`; equal rows have the gradient 0.

    Differences are squared, not inner products subtracted: near points would lose all digits.
    """
    ops = keras.ops
    square = ops.sum(ops.square(a[:, None, :] - b[None, :, :]), axis=2)
    zero = square <= 0.0
    return ops.where(zero, ops.zeros_like(square), ops.sqrt(ops.where(zero, ops.ones_like(square), square)))
