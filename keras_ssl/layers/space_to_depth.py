"""Places of a map joined four by four."""

from typing import Any

import keras

from keras_ssl.layers.window_padding import map_sides
from keras_ssl.typing import Tensor

__all__ = ["SpaceToDepth"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class SpaceToDepth(keras.layers.Layer):
    """Makes one place of each square of 2 x 2, whose channels stand one place after another.

    The order is column by column: upper left, lower left, upper right, lower right, as Swin's patch merging has it. A
    map of an odd side is padded by zeros at its right or lower edge.

    Args:
        **kwargs: `name`, `dtype`.

    Input: `[N, H, W, D]`. Output: `[N, ceil(H / 2), ceil(W / 2), 4 * D]`.

    Example:

    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 2, 2, 1))
    >>> keras.ops.convert_to_numpy(SpaceToDepth()(x)).ravel().tolist()
    [0.0, 2.0, 1.0, 3.0]

    Reference: Liu et al., "Swin Transformer: hierarchical vision transformer using shifted windows", ICCV 2021,
    https://arxiv.org/abs/2103.14030.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        ops = keras.ops
        height, width = map_sides(x)
        down, across = height % 2, width % 2
        if not (isinstance(down, int) and isinstance(across, int)) or down or across:
            x = ops.pad(x, ((0, 0), (0, down), (0, across), (0, 0)))
        rows, columns, dim = (height + down) // 2, (width + across) // 2, x.shape[-1]
        parts = ops.transpose(ops.reshape(x, (-1, rows, 2, columns, 2, dim)), (0, 1, 3, 4, 2, 5))
        return ops.reshape(parts, (-1, rows, columns, 4 * dim))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, dim = input_shape
        sides = (None if side is None else (side + 1) // 2 for side in (height, width))
        return (batch, *sides, None if dim is None else 4 * dim)
