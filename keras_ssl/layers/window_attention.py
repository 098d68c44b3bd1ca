"""Attention inside the windows of a map, as in Swin Transformers."""

from typing import Any

import keras
import numpy as np

from keras_ssl.layers.window_padding import map_sides
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["WindowAttention"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class WindowAttention(keras.layers.Layer):
    """Multi-head attention between the places of each square window of a map, with a bias of where they lie.

    For each window and head, `softmax(Q K^T / sqrt(D / heads) + B) V`. `B` is learned: the number that the head has for
    the offset from one place to the other, of which there are `(2 * window - 1)^2`.

    With `shifted`, windows begin `window // 2` places further down and to the right. The map is taken to be a torus, so
    that windows at its lower and right edge hold places of its upper and left edge; those do not see each other. Along
    a side that is one window long nothing is shifted. The softmax is computed in float32 under every policy.

    Besides the queries, keys and values, whose map is a whole number of windows (see `WindowPadding`), it is given the
    map that was there before padding, to whose size the output is cut. What was padded is seen like any place: it has
    the keys and values that the maps before this layer make of zeros, as in the authors' code for detection.

    Weights: `position_bias` `[(2 * window - 1)^2, heads]`, row by row of the offset, from `-(window - 1)` on.

    Args:
        heads: number of heads, which must divide D.
        window: side of a window in places. Defaults to 7.
        shifted: whether windows are shifted. Defaults to False.
        initializer: of the biases. Defaults to "zeros"; Swin draws them from a normal of deviation 0.02.
        **kwargs: `name`, `dtype`.

    Input: queries, keys and values, each by head, `[N, H', W', 3 * D]`; a map `[N, H, W, ...]`, whose size alone is
    used. Output: `[N, H, W, D]`, by head.

    Raises:
        ValueError: if `heads` or `window` is not a positive integer, the channels are not a multiple of `3 * heads`, or
            a side that is known is not a multiple of `window`.

    Example:

    >>> tuple(WindowAttention(heads=2, window=4)([keras.ops.ones((1, 4, 8, 24)), keras.ops.ones((1, 3, 8, 8))]).shape)
    (1, 3, 8, 8)

    Reference: Liu et al., "Swin Transformer: hierarchical vision transformer using shifted windows", ICCV 2021,
    https://arxiv.org/abs/2103.14030.
    """

    def __init__(
        self, heads: int, window: int = 7, shifted: bool = False, initializer: Any = "zeros", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)
        self.window = check_integer("window", window, 1)
        self.shifted = bool(shifted)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape[0])
        if shape[-1] is None or shape[-1] % (3 * self.heads):
            raise ValueError(
                f"The input of {self.heads} heads must have a multiple of {3 * self.heads} channels. "
                f"Received: input_shape={shape}"
            )
        if any(side is not None and side % self.window for side in shape[1:3]):
            raise ValueError(f"The input's sides must be multiples of {self.window}. Received: input_shape={shape}")
        self.position_bias = self.add_weight(
            name="position_bias",
            shape=((2 * self.window - 1) ** 2, self.heads),
            initializer=self.initializer,
            autocast=False,  # added to logits, which are float32
        )

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        ops = keras.ops
        qkv, before = inputs
        height, width = map_sides(qkv)
        depth = qkv.shape[-1] // (3 * self.heads)
        shifts = self._shift(height), self._shift(width)
        moved = not all(isinstance(shift, int) and shift == 0 for shift in shifts)
        if moved:
            qkv = _turned(qkv, shifts)
        places = self.window**2
        # At most five axes where something is cut out: LiteRT knows no more.
        parts = ops.reshape(self._windows(qkv, height, width), (-1, places, 3, self.heads, depth))
        # Scaled before the product, which in float16 could overflow.
        query, key, value = parts[:, :, 0] * depth**-0.5, parts[:, :, 1], parts[:, :, 2]
        logits = ops.cast(ops.einsum("nqhd,nkhd->nhqk", query, key), "float32") + self._bias()
        if moved:
            seen = self._seen(height, width, shifts)[None, :, None]
            of_image = ops.reshape(logits, (-1, (height * width) // places, self.heads, places, places))
            logits = ops.reshape(ops.where(seen, of_image, -1e9), (-1, self.heads, places, places))
        weights = ops.cast(ops.softmax(logits, axis=-1), value.dtype)
        mixed = self._map(ops.einsum("nhqk,nkhd->nqhd", weights, value), height, width, self.heads * depth)
        if moved:
            mixed = _turned(mixed, (height - shifts[0], width - shifts[1]))
        rows, columns = map_sides(before)
        return mixed[:, :rows, :columns]

    def _shift(self, side: Any) -> Any:
        """By how many places windows are shifted along a side."""
        if not self.shifted:
            return 0
        if isinstance(side, int):
            return self.window // 2 if side > self.window else 0
        return keras.ops.where(side > self.window, self.window // 2, 0)

    def _windows(self, x: Tensor, height: Any, width: Any) -> Tensor:
        """A map `[N, H, W, C]` cut into windows row by row: `[N, rows, columns, window, window, C]`."""
        side = self.window
        parts = keras.ops.reshape(x, (-1, height // side, side, width // side, side, x.shape[-1]))
        return keras.ops.transpose(parts, (0, 1, 3, 2, 4, 5))

    def _map(self, x: Tensor, height: Any, width: Any, channels: int) -> Tensor:
        """The map `[N, H, W, channels]` of which `_windows` has cut windows."""
        side = self.window
        parts = keras.ops.reshape(x, (-1, height // side, width // side, side, side, channels))
        return keras.ops.reshape(keras.ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels))

    def _bias(self) -> Tensor:
        """What is added to the logits of a window: `[heads, places, places]`."""
        row, column = (axis.ravel() for axis in np.indices((self.window, self.window)))
        down, across = (axis[:, None] - axis[None, :] + self.window - 1 for axis in (row, column))
        numbers = (down * (2 * self.window - 1) + across).astype("int32")
        table = keras.ops.convert_to_tensor(self.position_bias)
        return keras.ops.transpose(keras.ops.take(table, numbers, axis=0), (2, 0, 1))

    def _seen(self, height: Any, width: Any, shifts: tuple[Any, Any]) -> Tensor:
        """Which places of each window see which: those that are neighbors where the map is no torus."""
        ops = keras.ops
        rows, columns = (
            ops.cast(ops.arange(side) >= side - shift, "int32")
            for side, shift in zip((height, width), shifts, strict=True)
        )
        part = 2 * rows[:, None] + columns[None, :]
        part = ops.reshape(self._windows(part[None, :, :, None], height, width), (-1, self.window**2))
        return ops.equal(part[:, :, None], part[:, None, :])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        qkv, before = input_shape
        return (*before[:3], None if qkv[-1] is None else qkv[-1] // 3)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "window": self.window,
            "shifted": self.shifted,
            "initializer": keras.initializers.serialize(self.initializer),
        }


def _turned(x: Tensor, shifts: tuple[Any, Any]) -> Tensor:
    """A map whose first rows and columns come last, as many as `shifts` says; by slices, since LiteRT cannot roll."""
    down, across = shifts
    x = keras.ops.concatenate([x[:, down:], x[:, :down]], axis=1)
    return keras.ops.concatenate([x[:, :, across:], x[:, :, :across]], axis=2)
