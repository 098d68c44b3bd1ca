"""From a map of patches to the tokens of a vision transformer."""

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.cubic_kernel import cubic_kernel
from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

POSITIONS = ("learned", "sincos")
INTERPOLATIONS = ("bicubic", "bilinear")


@keras.saving.register_keras_serializable(package="keras_ssl")
class TokenSequence(Configured, keras.layers.Layer):
    """Puts a class token and registers before an image's patches, and adds embeddings of their positions.

    Positions are those of a square grid, the class token having one of its own and registers none. For a map of
    another size the grid is interpolated as PyTorch's `interpolate` does it; on a map of the grid's
    own size nothing is computed. The interpolation is in float32 under every policy.

    Weights: `class_token` `[1, D]`, `registers` `[R, D]` (where there are any), `position` `[1 + grid^2, D]`, that of
    the class token first. Without a class token there is neither it nor its position.

    Args:
        grid: side of the grid, in patches.
        registers: number of registers. Defaults to 0.
        position: "learned" (default), or "sincos": fixed sines and cosines (see `sincos_positions`), a weight that
            does not train and is 0 for the class token.
        interpolate_offset: what is added to the new number of patches when positions are computed, `(i + 1/2) *
            grid / (patches + offset) - 1/2`. Defaults to 0.1, as DINO and DINOv2 have it; DINOv2 with registers and
            MAE have 0.
        interpolate_antialias: whether the kernel is widened where the grid shrinks, as PyTorch's `antialias=True`
            does; its shape and borders then change too. Defaults to False; DINOv2 with registers has True.
        class_token: whether there is one. Defaults to True; I-JEPA has none.
        interpolation: "bicubic" (default), or "bilinear", as TIPS has it.

    Input: `[N, H, W, D]`. Output: `[N, 1 + R + H * W, D]`: class token, registers, patches row by row.

    Raises:
        ValueError: if an argument has none of the values above, D does not suit the position, or a map has no patch.

    Example:

    >>> tuple(TokenSequence(grid=4, registers=2)(keras.ops.zeros((1, 5, 6, 8))).shape)
    (1, 33, 8)

    References: Dosovitskiy et al., ICLR 2021, https://arxiv.org/abs/2010.11929; Darcet et al., "Vision transformers
    need registers", ICLR 2024, https://arxiv.org/abs/2309.16588.
    """

    stored_as: ClassVar[dict[str, str]] = {
        "registers": "registers_count",
        "position": "position_kind",
        "class_token": "has_class_token",
    }

    def __init__(
        self,
        grid: int,
        registers: int = 0,
        position: str = "learned",
        interpolate_offset: float = 0.1,
        interpolate_antialias: bool = False,
        class_token: bool = True,
        interpolation: str = "bicubic",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.grid = check_integer("grid", grid, 1)
        self.registers_count = check_integer("registers", registers, 0)
        if position not in POSITIONS:
            raise ValueError(f"`position` must be one of {POSITIONS}. Received: position={position!r}")
        if not 0.0 <= interpolate_offset < 1.0:
            raise ValueError(
                f"`interpolate_offset` must lie in [0, 1). Received: interpolate_offset={interpolate_offset}"
            )
        self.position_kind = position
        self.interpolate_offset = float(interpolate_offset)
        self.interpolate_antialias = bool(interpolate_antialias)
        self.has_class_token = bool(class_token)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` must be one of {INTERPOLATIONS}. Received: interpolation={interpolation!r}"
            )
        self.interpolation = interpolation

    def build(self, input_shape: tuple[Any, ...]) -> None:
        width = input_shape[-1]
        learned = self.position_kind == "learned"
        first = 1 if self.has_class_token else 0
        initializer: Any = SmallNormal() if learned else _constant(sincos_positions(self.grid, width)[1 - first :])
        self.class_token = None
        if self.has_class_token:
            self.class_token = self.add_weight(name="class_token", shape=(1, width), initializer=SmallNormal())
        self.registers = None
        if self.registers_count:
            self.registers = self.add_weight(
                name="registers", shape=(self.registers_count, width), initializer=SmallNormal()
            )
        self.position = self.add_weight(
            name="position",
            shape=(first + self.grid**2, width),
            initializer=initializer,
            trainable=learned,
            autocast=False,  # interpolated in its own precision
        )

    def call(self, patches: Tensor) -> Tensor:
        _, height, width, dim = patches.shape
        if height == 0 or width == 0:
            raise ValueError(f"Images must hold at least one patch. Received: {height} x {width} patches")
        height, width = height or ops.shape(patches)[1], width or ops.shape(patches)[2]
        position = ops.convert_to_tensor(self.position)
        own = []
        if self.class_token is not None:
            own.append(ops.cast(ops.cast(self.class_token, position.dtype) + position[:1], patches.dtype))
            position = position[1:]
        if self.registers is not None:
            own.append(ops.cast(self.registers, patches.dtype))
        # Added in float32: half precision would round the position, and then the sum.
        placed = ops.cast(patches, position.dtype) + self.on_grid(position, height, width)
        placed = ops.reshape(ops.cast(placed, patches.dtype), (-1, height * width, dim))
        if not own:
            return placed
        before = ops.concatenate(own, axis=0)
        before = ops.broadcast_to(before, (ops.shape(patches)[0], *before.shape))
        return ops.concatenate([before, placed], axis=1)

    def on_grid(self, position: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Embeddings of the patches' positions, `[height, width, D]`."""
        table = ops.reshape(position, (self.grid, self.grid, -1))
        offset: Tensor = self.interpolate_offset
        if isinstance(height, int) and isinstance(width, int):
            if height == width == self.grid:
                return table
        else:
            # The size is known when the program runs: without offset, a map of the grid's own size comes out as it is.
            height, width = ops.convert_to_tensor(height), ops.convert_to_tensor(width)
            own = ops.logical_and(ops.equal(height, self.grid), ops.equal(width, self.grid))
            offset = ops.where(own, 0.0, offset)
        how = (offset, self.interpolate_antialias, self.interpolation)
        rows, columns = resize_matrix(self.grid, height, *how), resize_matrix(self.grid, width, *how)
        rows, columns = ops.cast(rows, table.dtype), ops.cast(columns, table.dtype)
        return ops.einsum("jn,ind->ijd", columns, ops.einsum("im,mnd->ind", rows, table))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, dim = input_shape
        if height is None or width is None:
            return (batch, None, dim)
        return (batch, int(self.has_class_token) + self.registers_count + height * width, dim)


def resize_matrix(
    length: int, size: Tensor, offset: Tensor = 0.0, antialias: bool = False, interpolation: str = "bicubic"
) -> Tensor:
    """The linear map by which PyTorch's interpolation makes `size` samples of `length`.

    Sample `i` looks at the point `(i + 1/2) * length / (size + offset)`. Without antialiasing it weighs the four
    nearest inputs by the cubic kernel of `a = -0.75`, or the two nearest by a triangle ("bilinear"), those outside
    being the first and the last input again. With it, it weighs all within two inputs (one), or two outputs (one)
    where those lie further apart, by the cubic kernel of `a = -0.5` or the triangle; there is nothing outside, and the
    weights are divided by their sum.

    Args:
        length: number of inputs.
        size: number of outputs: an integer (the result is then a NumPy array) or a scalar integer tensor.
        offset: added to `size` where positions are computed. Defaults to 0.
        antialias: as above. Defaults to False.
        interpolation: "bicubic" (default) or "bilinear".

    Returns:
        `[size, length]`, float32; each row sums to 1.
    """
    xp: Any = np if isinstance(size, int) else ops
    scale = float(length) / (size + offset if xp is np else ops.cast(size, "float32") + offset)
    center = xp.expand_dims((xp.arange(size, dtype="float32") + 0.5) * scale, 1)
    inputs = np.arange(length, dtype="float32")
    if antialias:
        distance = xp.abs(inputs + 0.5 - center) / xp.maximum(scale, 1.0)
        weights = cubic_kernel(distance, xp=xp) if interpolation == "bicubic" else xp.maximum(1.0 - distance, 0.0)
        return weights / xp.sum(weights, axis=1, keepdims=True)
    nearest = xp.floor(center - 0.5)
    matrix: Tensor = 0.0
    for step in (-1.0, 0.0, 1.0, 2.0) if interpolation == "bicubic" else (0.0, 1.0):
        tap = nearest + step
        distance = xp.abs(center - 0.5 - tap)
        weight = cubic_kernel(distance, a=-0.75, xp=xp) if interpolation == "bicubic" else 1.0 - distance
        matrix = matrix + xp.where(xp.equal(xp.clip(tap, 0.0, length - 1.0), inputs), weight, 0.0)
    return matrix


def sincos_positions(grid: int, width: int) -> np.ndarray:
    """Fixed embeddings of the positions on a square grid, after that of the class token, which is 0.

    The first half of the channels tells the column `x`, the second the row, each by `sin(x w_k)` for all k and then
    `cos(x w_k)`, with `w_k = 10000^(-k / K)` and `K = width / 4`. That is MAE's order; MoCo v3 has the row first, which
    comes with its weights, where positions are among them.

    Returns:
        float32 array `[1 + grid^2, width]`, row by row.

    Raises:
        ValueError: if `width` is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"`width` must be a multiple of 4 for sines and cosines. Received: width={width}")
    frequencies = 10000.0 ** (-np.arange(width // 4) / (width / 4))
    row, column = (axis.reshape(-1, 1) * frequencies for axis in np.indices((grid, grid)))
    patches = np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], axis=1)
    return np.concatenate([np.zeros((1, width)), patches]).astype("float32")


def _constant(values: np.ndarray) -> Any:
    return lambda shape, dtype=None: ops.convert_to_tensor(values, dtype)
