"""From a map of patches to tokens whose positions are told to attention, not added to them."""

import math
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.rotary_embedding import CONVENTIONS
from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class RotaryTokens(Configured, keras.layers.Layer):
    """Puts a class token and registers before an image's patches.

    It keeps in mind by which grids it made how many patches, so that `RotaryViT.encode`, which is given tokens alone,
    knows where they lie.

    Weights: `class_token` `[1, D]`, `registers` `[R, D]`, where there are any.

    Args:
        registers: number of registers. Defaults to 0.
        class_token: whether there is one. Defaults to True.

    Input: `[N, H, W, D]`. Output: `[N, 1 + R + H * W, D]`: class token, registers, patches row by row.

    Raises:
        ValueError: if an argument has none of the values above, or a map has no patch.

    Example:

    >>> tuple(RotaryTokens(registers=2)(keras.ops.zeros((1, 5, 6, 8))).shape)
    (1, 33, 8)
    """

    stored_as: ClassVar[dict[str, str]] = {"registers": "registers_count", "class_token": "has_class_token"}

    def __init__(self, registers: int = 0, class_token: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.registers_count = check_integer("registers", registers, 0)
        self.has_class_token = bool(class_token)
        self._grids: dict[int, set[tuple[int, int]]] = {}

    def build(self, input_shape: tuple[Any, ...]) -> None:
        width = input_shape[-1]
        self.class_token = self.registers = None
        if self.has_class_token:
            self.class_token = self.add_weight(name="class_token", shape=(1, width), initializer=SmallNormal())
        if self.registers_count:
            self.registers = self.add_weight(
                name="registers", shape=(self.registers_count, width), initializer=SmallNormal()
            )

    def call(self, patches: Tensor) -> Tensor:
        _, height, width, dim = patches.shape
        if height == 0 or width == 0:
            raise ValueError(f"Images must hold at least one patch. Received: {height} x {width} patches")
        self._note(height, width)
        count = (height or ops.shape(patches)[1]) * (width or ops.shape(patches)[2])
        flat = ops.reshape(patches, (-1, count, dim))
        own = [ops.cast(token, flat.dtype) for token in (self.class_token, self.registers) if token is not None]
        if not own:
            return flat
        before = ops.concatenate(own, axis=0)
        before = ops.broadcast_to(before, (ops.shape(flat)[0], *before.shape))
        return ops.concatenate([before, flat], axis=1)

    def _note(self, height: int | None, width: int | None) -> None:
        if height is not None and width is not None:
            self._grids.setdefault(height * width, set()).add((height, width))

    def grid_of(self, count: int | None, grid: tuple[int, int] | None = None) -> tuple[int, int]:
        """Rows and columns of `count` patches: `grid`, if it is given; the only one that was seen; or a square.

        Raises:
            ValueError: if `grid` is of another number, or it is None and the number does not tell the grid.
        """
        if grid is not None:
            rows, columns = (check_integer("grid", side, 1) for side in grid)
            if count is not None and rows * columns != count:
                raise ValueError(f"`grid` must hold {count} patches. Received: grid={grid}")
            return rows, columns
        seen = set() if count is None else self._grids.get(count, set())
        if len(seen) == 1:
            return next(iter(seen))
        side = 0 if count is None else math.isqrt(count)
        if count is None or seen or side * side != count:
            known = f", which were {sorted(seen)} before" if seen else ""
            raise ValueError(f"`grid` must say how {count or 'these'} patches lie{known}. Received: grid=None")
        return side, side

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, dim = input_shape
        self._note(height, width)  # all that Keras asks where tensors are symbolic
        if height is None or width is None:
            return (batch, None, dim)
        return (batch, int(self.has_class_token) + self.registers_count + height * width, dim)


@keras.saving.register_keras_serializable(package="keras_ssl")
class RotaryPositions(keras.layers.Layer):
    """The positions `(row, column)` of all tokens of an image, for `keras_ssl.layers.RotaryEmbedding`.

    - "dinov3": centers of patches, each axis from -1 to 1: `2 (i + 1/2) / rows - 1`. Class token and registers are at
      (0, 0), where nothing is turned.
    - "capi": each axis from 0 at the first row to 1 at the last: `i / (rows - 1)`, 0 where there is one row. Registers
      lie around the border in four equal parts, from (0, 0) to (1, 0), (1, 1), (0, 1) and back, of the smallest
      rectangle that holds the visible patches.

    Args:
        prefix: number of tokens before the patches; for "capi" a multiple of 4.
        convention: "dinov3" (default) or "capi".

    Input: a map of patches `[N, H, W, D]`, of which only the shape is used. Output: float32 `[prefix + H * W, 2]`.

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> keras.ops.convert_to_numpy(RotaryPositions(1)(keras.ops.zeros((1, 1, 2, 8)))).tolist()
    [[0.0, 0.0], [0.0, -0.5], [0.0, 0.5]]
    """

    def __init__(self, prefix: int, convention: str = "dinov3", **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.prefix = check_integer("prefix", prefix, 0)
        if convention not in CONVENTIONS:
            raise ValueError(f"`convention` must be one of {CONVENTIONS}. Received: convention={convention!r}")
        if convention == "capi" and self.prefix % 4:
            raise ValueError(f"`prefix` must be a multiple of 4. Received: prefix={prefix}")
        self.convention = convention
        self.built = True

    def call(self, patches: Tensor) -> Tensor:
        _, height, width, _ = patches.shape
        return self.of_grid(height or ops.shape(patches)[1], width or ops.shape(patches)[2])

    def of_grid(self, rows: Tensor, columns: Tensor, keep: Tensor | None = None) -> Tensor:
        """Positions `[prefix + T, 2]` of all tokens of a grid; with `keep [N, K]` those kept, `[N, prefix + K, 2]`."""
        row, column = self._axis(rows), self._axis(columns)
        shape = (ops.shape(row)[0], ops.shape(column)[0])
        both = [ops.broadcast_to(row[:, None], shape), ops.broadcast_to(column[None], shape)]
        places = ops.reshape(ops.stack(both, axis=-1), (-1, 2))
        if keep is not None:
            places = ops.take(places, keep, axis=0)
        if not self.prefix:
            return places
        if self.convention == "capi":
            low, high = ops.min(places, axis=-2, keepdims=True), ops.max(places, axis=-2, keepdims=True)
            own = low + ops.convert_to_tensor(self._border()) * (high - low)
        else:
            own = ops.zeros((*ops.shape(places)[:-2], self.prefix, 2), "float32")
        return ops.concatenate([own, places], axis=-2)

    def _axis(self, count: Tensor) -> Tensor:
        index, count = ops.arange(count, dtype="float32"), ops.cast(count, "float32")
        if self.convention == "capi":
            return index / ops.maximum(count - 1.0, 1.0)
        return 2.0 * (index + 0.5) / count - 1.0

    def _border(self) -> np.ndarray:
        """Registers' places on the border of a square of side 1: `[prefix, 2]`."""
        along = np.arange(self.prefix // 4) / max(self.prefix // 4, 1)
        zeros, ones = np.zeros_like(along), np.ones_like(along)
        sides = [(along, zeros), (ones, along), (1 - along, ones), (zeros, 1 - along)]
        return np.concatenate([np.stack(side, axis=1) for side in sides]).astype("float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        _, height, width, _ = input_shape
        return (None if height is None or width is None else self.prefix + height * width, 2)

    def compute_output_spec(self, patches: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(tuple(patches.shape)), "float32")

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "prefix": self.prefix, "convention": self.convention}
        config.pop("autocast", None)
        return config
