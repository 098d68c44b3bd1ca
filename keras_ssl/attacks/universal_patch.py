"""One patch for all images."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from keras_ssl.attacks.interval_bounds import check_range_of_values
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["UniversalPatch"]


@dataclass(frozen=True)
class UniversalPatch:
    """A patch that replaces the same rectangle of every image.

    Args:
        patch: `[h, w, C]`, on the scale of the images, within `value_range`.
        row, column: of its upper left pixel, not negative.
        value_range: `(low, high)` of the images. Defaults to `(0, 1)`.

    Raises:
        ValueError: if the patch leaves `value_range`, or an argument is out of range.

    Example:

    >>> attack = UniversalPatch(np.ones((1, 1, 1)), row=0, column=1)
    >>> attack(np.zeros((1, 2, 2, 1))).ravel().tolist()
    [0.0, 1.0, 0.0, 0.0]

    Reference: Zhou et al., "Downstream-agnostic Adversarial Examples", ICCV 2023.
    """

    patch: np.ndarray
    row: int
    column: int
    value_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        patch = np.asarray(self.patch, np.float32)
        check_integer("row", self.row, 0)
        check_integer("column", self.column, 0)
        found = check_range_of_values(self.value_range)
        if found is None:
            raise ValueError("`value_range` must be (low, high). Received: value_range=None")
        if patch.ndim != 3 or not patch.size or not ((patch >= found[0] - 1e-6) & (patch <= found[1] + 1e-6)).all():
            raise ValueError(
                f"`patch` must be [h, w, C], in ({found[0]:g}, {found[1]:g}). "
                f"Received: patch of shape {patch.shape}, from {patch.min() if patch.size else 0:g} "
                f"to {patch.max() if patch.size else 0:g}"
            )
        object.__setattr__(self, "patch", patch)

    def __call__(self, images: Tensor) -> np.ndarray:
        """The attacked images, float32.

        Args:
            images: `[N, H, W, C]`, floating, in `value_range`, with room for the patch.
        """
        array = np.asarray(images)
        height, width, channels = self.patch.shape
        rows, columns = slice(self.row, self.row + height), slice(self.column, self.column + width)
        if (
            array.ndim != 4
            or array.dtype.kind != "f"
            or array.shape[3] != channels
            or array.shape[1] < rows.stop
            or array.shape[2] < columns.stop
        ):
            raise ValueError(
                f"`images` must be floats [N, H, W, {channels}], H at least {rows.stop} and W at least {columns.stop}. "
                f"Received: images of type {array.dtype} and shape {array.shape}"
            )
        attacked = array.astype(np.float32)
        attacked[:, rows, columns] = self.patch
        return attacked


def patch_side(share: float, size: Sequence[int]) -> int:
    """The side of a square that covers a share of an image of a size, rounded down, at least 1 and within it."""
    return max(1, min(int((share * size[0] * size[1]) ** 0.5 + 1e-9), size[0], size[1]))


def usual_place(side: int, size: Sequence[int]) -> tuple[int, int]:
    """The upper left pixel of a square that stands 14 / 64 of the sides from the right and the lower edge."""
    row, column = (max(0, length - round(14 / 64 * length) - side) for length in size)
    return row, column


def put_patch(images: Tensor, patch: Tensor, place: tuple[int, int]) -> Tensor:
    """Images `[N, H, W, C]` with a patch `[h, w, C]` at a place; the gradient by the patch is that of its pixels."""
    ops = keras.ops
    sides, size = tuple(patch.shape)[:2], tuple(images.shape)[1:3]
    pads = [(start, whole - start - side) for start, whole, side in zip(place, size, sides, strict=True)]
    mask = np.pad(np.ones((*sides, 1), "float32"), [*pads, (0, 0)])
    return images * ops.cast(1.0 - mask, images.dtype) + ops.cast(ops.pad(patch, [*pads, (0, 0)]), images.dtype)
