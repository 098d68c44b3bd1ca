"""Zeros beside a map, so that it is a whole number of windows."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["WindowPadding"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class WindowPadding(keras.layers.Layer):
    """Adds zeros at the right and lower edge of a map, until its sides are multiples of a window's.

    Args:
        window: side of a window in places.
        **kwargs: `name`, `dtype`.

    Input: `[N, H, W, D]`. Output: `[N, ceil(H / window) * window, ceil(W / window) * window, D]`.

    Raises:
        ValueError: if `window` is not a positive integer.

    Example:

    >>> tuple(WindowPadding(4)(keras.ops.ones((1, 5, 8, 2))).shape)
    (1, 8, 8, 2)
    """

    def __init__(self, window: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = check_integer("window", window, 1)
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        height, width = map_sides(x)
        down, across = -height % self.window, -width % self.window
        if isinstance(down, int) and isinstance(across, int) and not down and not across:
            return x
        return keras.ops.pad(x, ((0, 0), (0, down), (0, across), (0, 0)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, dim = input_shape
        sides = (None if side is None else side + -side % self.window for side in (height, width))
        return (batch, *sides, dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window}


def map_sides(x: Tensor) -> tuple[Any, Any]:
    """Height and width of a map `[N, H, W, D]`: integers where they are known, else scalar tensors."""
    height, width = x.shape[1:3]
    if height is None or width is None:
        known = keras.ops.shape(x)
        height, width = (known[1] if height is None else height), (known[2] if width is None else width)
    return height, width
