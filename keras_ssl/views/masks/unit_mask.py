"""Squares of tokens hidden at random."""

import math
from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class UnitMask:
    """Hides a share of an image's squares of `unit` x `unit` patches, exactly the same number in every sample.

    Of U squares `ceil(U * ratio)` are hidden, as in SimMIM. A square at the right or lower edge may be cut off.

    Args:
        ratio: share that is hidden, in [0, 1). Defaults to 0.6, SimMIM's.
        unit: side of a square in patches. Defaults to 2: SimMIM's 32 pixels, with patches of 16.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> hidden = UnitMask(0.5).hidden(keras_ssl.random.Stream(0, 0, keras.ops.arange(3)), (4, 4))
    >>> keras.ops.convert_to_numpy(keras.ops.sum(hidden, axis=1)).tolist()
    [8.0, 8.0, 8.0]

    Reference: Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", CVPR 2022.
    """

    def __init__(self, ratio: float = 0.6, unit: int = 2) -> None:
        self.ratio = check_number("ratio", ratio, 0.0, 1.0)
        if self.ratio == 1.0:
            raise ValueError(f"`ratio` must be less than 1. Received: ratio={ratio}")
        self.unit = check_integer("unit", unit, 1)

    def hidden(self, stream: Stream, grid: tuple[int, ...]) -> Tensor:
        """1 for hidden patches, else 0: float32 `[N, T]`, of a grid of (rows, columns)."""
        ops, (rows, columns) = keras.ops, grid
        down, across = math.ceil(rows / self.unit), math.ceil(columns / self.unit)
        count = math.ceil(down * across * self.ratio - 1e-9)
        chosen = stream.permutations(down * across)[:, :count]
        squares = ops.reshape(ops.sum(ops.one_hot(chosen, down * across, dtype="float32"), axis=1), (-1, down, across))
        patches = ops.repeat(ops.repeat(squares, self.unit, axis=1), self.unit, axis=2)
        return ops.reshape(patches[:, :rows, :columns], (-1, rows * columns))

    def get_config(self) -> dict[str, Any]:
        return {"ratio": self.ratio, "unit": self.unit}
