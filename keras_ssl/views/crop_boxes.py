"""The boxes of random crops from uniform numbers: on a backend in a step, on the host for readers of files."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_ssl.typing import Tensor

TRIES = 10
BOX_DRAWS = 2 * TRIES + 2
"""How many uniform numbers a box takes."""
_BITS = 16
_AREA_UNITS = 2**15


class BoxShapes(NamedTuple):
    """What of boxes does not depend on the size of the image; rows are samples.

    `area` is in units of 2**-15 of the image's, `ratio` is width over height and `inverse` height over width, each
    float32 `[N, 10]`, a column for each try; `top` and `left` place the box, float32 `[N]` in [0, 1).
    """

    area: Tensor
    ratio: Tensor
    inverse: Tensor
    top: Tensor
    left: Tensor


def box_shapes(draws: Tensor, scale: tuple[float, float], ratio: tuple[float, float], xp: Any = None) -> BoxShapes:
    """Ten areas and ratios for each sample.

    Args:
        draws: uniform float32 numbers in [0, 1), `[N, 22]`.
        scale: range of the area as a fraction of the image's.
        ratio: range of width over height.
        xp: the namespace that computes: `keras.ops` (default), or `numpy` for work on the host. Both give the same
            bits, by `box_in` too.
    """
    xp = keras.ops if xp is None else xp
    bits = _cast(draws[:, : 2 * TRIES] * np.float32(2**_BITS), "int32", xp)
    low, high = (max(1, round(bound * _AREA_UNITS)) for bound in scale)
    # 16 random bits times at most 15 bits of span fit into int32.
    area = _cast(low + xp.right_shift((high - low) * bits[:, :TRIES], _BITS), "float32", xp)
    return BoxShapes(area, *_ratios(bits[:, TRIES:], ratio, xp), draws[:, -2], draws[:, -1])


def box_in(
    shapes: BoxShapes, height: int, width: int, ratio: tuple[float, float], xp: Any = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One box per sample in images of `height` times `width` pixels: the first of the tries that fits, placed; where
    none does, the largest central box.

    Args:
        shapes: of `box_shapes`.
        height, width: of the images.
        ratio: as for `box_shapes`.
        xp: as for `box_shapes`.

    Returns:
        The integers `[N]` top, left, box height and box width.
    """
    xp = keras.ops if xp is None else xp
    area = shapes.area * np.float32(height * width / _AREA_UNITS)
    box_width = _rounded_root(area * shapes.ratio, width, xp)
    box_height = _rounded_root(area * shapes.inverse, height, xp)

    sides_fit = xp.logical_and(box_width <= width, box_height <= height)
    fits = xp.logical_and(sides_fit, xp.logical_and(box_width > 0, box_height > 0))
    first = xp.logical_and(fits, xp.cumsum(_cast(fits, "int32", xp), axis=1) == 1)
    any_fits = xp.any(fits, axis=1)

    def select(side: Tensor, fallback: int) -> Tensor:
        return xp.where(any_fits, xp.sum(xp.where(first, side, 0), axis=1), fallback)

    def place(draw: Tensor, side: Tensor, length: int, fallback: int) -> Tensor:
        room = _cast(length + 1 - side, "float32", xp)
        return xp.where(any_fits, _cast(draw * room, "int32", xp), (length - fallback) // 2)

    central_height, central_width = _central(height, width, ratio)
    box_height, box_width = select(box_height, central_height), select(box_width, central_width)
    top = place(shapes.top, box_height, height, central_height)
    left = place(shapes.left, box_width, width, central_width)
    return top, left, box_height, box_width


def _ratios(bits: Tensor, bounds: tuple[float, float], xp: Any) -> tuple[Tensor, Tensor]:
    """Log-uniform ratios and their inverses, from 16 random bits each.

    `low * (high / low) ** f` for a binary fraction f is a product with one constant factor for every bit that is set.
    Products of floats are rounded alike everywhere, while `exp` is not.
    """
    low, high = bounds
    ratio, inverse = np.float32(low), np.float32(1.0 / low)
    for bit in range(_BITS):
        factor = (high / low) ** (2.0 ** (bit - _BITS))
        is_set = xp.bitwise_and(xp.right_shift(bits, bit), 1) == 1
        ratio = ratio * xp.where(is_set, np.float32(factor), np.float32(1.0))
        inverse = inverse * xp.where(is_set, np.float32(1.0 / factor), np.float32(1.0))
    return ratio, inverse


def _central(height: int, width: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the largest central box whose shape lies within `ratio`."""
    low, high = ratio
    if width / height < low:
        return max(1, round(width / low)), width
    if width / height > high:
        return height, max(1, round(height * high))
    return height, width


def _rounded_root(square: Tensor, largest: int, xp: Any) -> Tensor:
    """The square root rounded to a whole number, at most `largest + 1`: int32, of the shape of `square`.

    Counts the half-integers below the root by comparing their squares, which float32 holds exactly, because a
    root that is off by one bit on some device could round to another number of pixels.
    """
    halves = np.square(np.arange(largest + 1, dtype=np.float32) + np.float32(0.5))
    if xp is np:  # they ascend: the count is a place in them
        return np.searchsorted(halves, square, side="right").astype(np.int32)
    return xp.sum(xp.cast(xp.expand_dims(square, -1) >= halves, "int32"), axis=-1)


def _cast(values: Tensor, dtype: str, xp: Any) -> Tensor:
    return values.astype(dtype) if xp is np else xp.cast(values, dtype)
