"""Crop a random box of each image and resize it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.crop_and_resize import KERNELS, crop_and_resize
from keras_ssl.views.validation import check_range, check_size
from keras_ssl.views.view import View

_TRIES = 10
_BITS = 16
_AREA_UNITS = 2**15


@keras.saving.register_keras_serializable(package="keras_ssl")
class RandomResizedCrop(View):
    """Crops a box of random area, shape and place from each image and resizes it with antialiasing.

    As torchvision does: the box's area is uniform in `scale` times the image's, its width over height
    log-uniform in `ratio`; both sides are rounded to whole pixels; the first of ten draws that fits into the
    image is placed uniformly, and if none fits the box is the largest central one whose shape lies within
    `ratio`.

    Which box is drawn is the same to the bit on every backend, eager and compiled: areas are drawn in steps
    of 2**-15 of the image's area and log-ratios in 2**16 steps, and computed from them without a rounding
    that could differ.

    Args:
        size: side of the result in pixels, or (height, width); default None keeps the images' own.
        scale: range of the box's area as a fraction of the image's, in (0, 1]; default (0.08, 1.0).
        ratio: range of the box's width over its height; default (3/4, 4/3).
        interpolation: `"bilinear"` (default), or `"bicubic"`, clipped to [0, 1] where it overshoots.

    Raises:
        ValueError: if a size is not positive, a range is not ascending or leaves its bounds, or for another
            interpolation.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import RandomResizedCrop
    >>> stream = Stream(seed=0, step=0, positions=np.arange(2))
    >>> tuple(RandomResizedCrop(24)(np.zeros((2, 32, 32, 3), "uint8"), stream).shape)
    (2, 24, 24, 3)

    Reference: [Going Deeper with Convolutions](https://arxiv.org/abs/1409.4842), section 6.
    """

    sums_neighbors = True

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: str = "bilinear",
    ) -> None:
        self.size = None if size is None else check_size("size", size)
        self.scale = check_range("scale", scale, 0.0, 1.0, above=True)
        self.ratio = check_range("ratio", ratio, 0.0, float("inf"), above=True)
        if interpolation not in KERNELS:
            raise ValueError(
                f"Argument `interpolation` must be one of {sorted(KERNELS)}. Received: interpolation={interpolation!r}"
            )
        self.interpolation = interpolation

    @property
    def is_random(self) -> bool:
        return self.scale[0] < 1.0  # no two boxes of the whole image's area fit into it

    def boxes(self, stream: Stream, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draws one box per sample of an image of `height` times `width` pixels.

        Returns:
            The int32 tensors `[N]` top, left, box height and box width.
        """
        # One request for all numbers: every request puts another hash into the graph, which takes time to compile.
        draws = stream.uniform(shape=(2 * _TRIES + 2,))
        bits = ops.cast(draws[:, : 2 * _TRIES] * np.float32(2**_BITS), "int32")
        area = self._areas(bits[:, :_TRIES]) * np.float32(height * width / _AREA_UNITS)
        ratio, inverse = self._ratios(bits[:, _TRIES:])
        box_width = _rounded_root(area * ratio, width)
        box_height = _rounded_root(area * inverse, height)

        sides_fit = ops.logical_and(box_width <= width, box_height <= height)
        fits = ops.logical_and(sides_fit, ops.logical_and(box_width > 0, box_height > 0))
        first = ops.logical_and(fits, ops.cumsum(ops.cast(fits, "int32"), axis=1) == 1)
        any_fits = ops.any(fits, axis=1)

        def select(side: Tensor, fallback: int) -> Tensor:
            return ops.where(any_fits, ops.sum(ops.where(first, side, 0), axis=1), fallback)

        def place(draw: Tensor, side: Tensor, length: int, fallback: int) -> Tensor:
            room = ops.cast(length + 1 - side, "float32")
            return ops.where(any_fits, ops.cast(draw * room, "int32"), (length - fallback) // 2)

        central_height, central_width = self._central(height, width)
        box_height, box_width = select(box_height, central_height), select(box_width, central_width)
        top = place(draws[:, -2], box_height, height, central_height)
        left = place(draws[:, -1], box_width, width, central_width)
        return top, left, box_height, box_width

    def _areas(self, bits: Tensor) -> Tensor:
        """Uniform areas in units of 2**-15 of the image's: integers, in float32."""
        low, high = (max(1, round(bound * _AREA_UNITS)) for bound in self.scale)
        # 16 random bits times at most 15 bits of span fit into int32.
        return ops.cast(low + ops.right_shift((high - low) * bits, _BITS), "float32")

    def _ratios(self, bits: Tensor) -> tuple[Tensor, Tensor]:
        """Log-uniform ratios and their inverses, from 16 random bits each.

        `low * (high / low) ** f` for a binary fraction f is a product with one constant factor for every bit
        that is set. Products of floats are rounded alike everywhere, while `exp` is not.
        """
        low, high = self.ratio
        ratio, inverse = np.float32(low), np.float32(1.0 / low)
        for bit in range(_BITS):
            factor = (high / low) ** (2.0 ** (bit - _BITS))
            is_set = ops.bitwise_and(ops.right_shift(bits, bit), 1) == 1
            ratio = ratio * ops.where(is_set, np.float32(factor), np.float32(1.0))
            inverse = inverse * ops.where(is_set, np.float32(1.0 / factor), np.float32(1.0))
        return ratio, inverse

    def _central(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the largest central box whose shape lies within `ratio`."""
        low, high = self.ratio
        if width / height < low:
            return max(1, round(width / low)), width
        if width / height > high:
            return height, max(1, round(height * high))
        return height, width

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        height, width = images.shape[1:3]
        box = self.boxes(stream, height, width)
        crops = crop_and_resize(images, *box, self.size or (height, width), self.interpolation)
        return ops.clip(crops, 0.0, 1.0) if self.interpolation == "bicubic" else crops

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": None if self.size is None else list(self.size),
            "scale": list(self.scale),
            "ratio": list(self.ratio),
            "interpolation": self.interpolation,
        }


def _rounded_root(square: Tensor, largest: int) -> Tensor:
    """The square root rounded to a whole number, at most `largest + 1`: int32, of the shape of `square`.

    Counts the half-integers below the root by comparing their squares, which float32 holds exactly, because a
    root that is off by one bit on some device could round to another number of pixels.
    """
    halves = np.square(np.arange(largest + 1, dtype=np.float32) + np.float32(0.5))
    return ops.sum(ops.cast(ops.expand_dims(square, -1) >= halves, "int32"), axis=-1)
