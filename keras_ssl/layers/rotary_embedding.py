"""Rotary positions: queries and keys turned by angles that grow with the token's place in the image."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["RotaryEmbedding"]

CONVENTIONS = ("dinov3", "capi")
_CAPI_FREQUENCIES = (7.0, 7e-4)  # highest and lowest, in turns per image


@keras.saving.register_keras_serializable(package="keras_ssl")
class RotaryEmbedding(keras.layers.Layer):
    """Turns the queries and keys of every head by angles of the tokens' positions `(row, column)`.

    Of a head's `d` channels, channel `j` of the first half goes with channel `j + d/2` (rotate-half; EVA's rotary
    positions pair neighbors `2j` and `2j + 1` instead, and cannot be read here):

        y[j]       = x[j]       cos(a[j])       - x[j + d/2] sin(a[j])
        y[j + d/2] = x[j + d/2] cos(a[j + d/2]) + x[j]       sin(a[j + d/2])

    The two conventions differ in the angles; `d/4` frequencies serve each axis:

    - "dinov3": `a[j] = a[j + d/2]`; for `j < d/4` they are `2 pi row / period[j]`, for the others
      `2 pi column / period[j - d/4]`, with `period[k] = base^(4 k / d)`. Each pair is turned, so a product of a query
      and a key depends on the difference of their positions alone.
    - "capi": `a[j] = row * frequency[j]` and `a[j + d/2] = column * frequency[j]`, so that the two channels of a pair
      turn by different angles; `frequency[j] = 2 pi 7 * 10000^(-k / (d/4 - 1))` with `k = j mod d/4`. Where row and
      column are equal it is a rotation, elsewhere it is not. That is what CAPI's published code computes and its
      encoders were trained with.

    Values are not turned. Angles and products are computed in float32 under every policy.

    Weights, which do not train: `periods` `[d/4]`, or `frequencies` `[2, d]`: angles per unit of row and of column.
    They are weights because published files hold them, and some hold them rounded.

    Args:
        heads: number of heads.
        convention: "dinov3" (default) or "capi".
        base: of the periods of "dinov3", at least 1. Defaults to 100.
        **kwargs: `name`, `dtype`.

    Input: `[qkv, positions]`: `[N, T, 3 * D]` as `SelfAttention` takes it, and `[T, 2]` or `[N, T, 2]`. Output: of the
    shape and type of `qkv`.

    Raises:
        ValueError: if an argument has none of the values above, or a head's width is not a multiple of 4 (for "capi"
            of 8 or more).

    Example:

    >>> qkv, positions = keras.ops.ones((1, 5, 24)), keras.ops.zeros((5, 2))
    >>> tuple(RotaryEmbedding(heads=2)([qkv, positions]).shape)
    (1, 5, 24)

    References: Su et al., "RoFormer", 2021, https://arxiv.org/abs/2104.09864; Simeoni et al., "DINOv3", 2025,
    https://arxiv.org/abs/2508.10104; Darcet et al., "Cluster and predict latent patches", 2025,
    https://arxiv.org/abs/2502.08769.
    """

    def __init__(self, heads: int, convention: str = "dinov3", base: float = 100.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # positions in half precision would be other positions
        self.heads = check_integer("heads", heads, 1)
        if convention not in CONVENTIONS:
            raise ValueError(f"`convention` must be one of {CONVENTIONS}. Received: convention={convention!r}")
        self.convention = convention
        self.base = check_number("base", base, 1.0)

    def build(self, input_shape: Any) -> None:
        width = input_shape[0][-1]
        depth = 0 if width is None else width // (3 * self.heads)
        least = 8 if self.convention == "capi" else 4
        if depth < least or depth % 4 or depth * 3 * self.heads != width:
            raise ValueError(
                f"Each of {self.heads} heads must have a multiple of 4 channels, {least} or more. "
                f"Received: input_shape={tuple(input_shape[0])}"
            )
        values = self.base ** (np.arange(depth // 4) / (depth / 4))
        if self.convention == "capi":
            high, low = _CAPI_FREQUENCIES
            values = 2 * math.pi * high * (high / low) ** np.linspace(0.0, -1.0, depth // 4)
            row, column = np.zeros(depth), np.zeros(depth)
            row[: depth // 2] = column[depth // 2 :] = np.tile(values, 2)
            values = np.stack([row, column])
        self.table = self.add_weight(
            name="frequencies" if self.convention == "capi" else "periods",
            shape=values.shape,
            initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(values.astype("float32"), dtype),
            trainable=False,
            dtype="float32",
            autocast=False,
        )

    def angles(self, positions: Tensor) -> Tensor:
        """The angle of each channel of a head: float32 `[..., T, d]` of positions `[..., T, 2]`."""
        ops = keras.ops
        positions, table = ops.cast(positions, "float32"), ops.convert_to_tensor(self.table)
        row, column = positions[..., :1], positions[..., 1:]
        if self.convention == "capi":
            return row * table[0] + column * table[1]
        turns = [2 * math.pi * axis / table for axis in (row, column)]
        return ops.concatenate([*turns, *turns], axis=-1)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        ops = keras.ops
        qkv, positions = inputs
        tokens, width = qkv.shape[1:]
        tokens = ops.shape(qkv)[1] if tokens is None else tokens
        depth = width // (3 * self.heads)
        angles = ops.expand_dims(ops.expand_dims(self.angles(positions), -2), -2)  # for parts and heads
        parts = ops.reshape(qkv, (-1, tokens, 3, self.heads, depth))
        turned = ops.cast(parts[:, :, :2], "float32")
        first, second = turned[..., : depth // 2], turned[..., depth // 2 :]
        turned = turned * ops.cos(angles) + ops.concatenate([-second, first], axis=-1) * ops.sin(angles)
        return ops.reshape(ops.concatenate([ops.cast(turned, qkv.dtype), parts[:, :, 2:]], axis=2), (-1, tokens, width))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "heads": self.heads, "convention": self.convention, "base": self.base}
        config.pop("autocast", None)
        return config
