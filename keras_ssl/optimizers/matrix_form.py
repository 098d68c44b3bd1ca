"""Variables of any rank as matrices, for the optimizers that work on columns."""

import math
from collections.abc import Sequence

import keras

from keras_ssl.typing import Tensor


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of a variable as a tall matrix: all axes but the last are joined, then the longer side is first.

    A kernel `[3, 3, 64, 128]` is `[576, 128]`; a matrix `[10, 512]` is `[512, 10]`. A vector is a single row.
    """
    columns = int(shape[-1]) if len(shape) else 1
    rows = math.prod(int(size) for size in shape[:-1]) if len(shape) > 1 else 1
    if len(shape) < 2:
        return 1, columns
    return max(rows, columns), min(rows, columns)


def to_matrix(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor of a variable's shape as the matrix of `matrix_shape`."""
    rows, columns = matrix_shape(shape)
    if len(shape) < 2 or int(shape[-1]) == columns:
        return keras.ops.reshape(x, (rows, columns))
    return keras.ops.transpose(keras.ops.reshape(x, (columns, rows)))


def from_matrix(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The inverse of `to_matrix`."""
    if len(shape) >= 2 and int(shape[-1]) != matrix_shape(shape)[1]:
        x = keras.ops.transpose(x)
    return keras.ops.reshape(x, tuple(shape))
