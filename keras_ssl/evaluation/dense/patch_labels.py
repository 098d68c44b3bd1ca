"""Masks on the grid of patches, and back on that of pixels."""

from collections.abc import Sequence

import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["patch_labels", "pixel_labels"]


def patch_labels(masks: Tensor, grid: Sequence[int]) -> np.ndarray:
    """The most frequent label of each patch.

    Pixels left over at the right and lower edge, where the patches do not fill the image, are not seen. Pixels of -1
    (not labeled) do not vote; of labels with equally many pixels the smallest is taken.

    Args:
        masks: integers `[N, H, W]`; -1 is not labeled.
        grid: rows and columns of the patches.

    Returns:
        integers `[N, rows, columns]`; -1 where no pixel of a patch is labeled.

    Raises:
        ValueError: if the masks are no integers `[N, H, W]`, or have fewer pixels than the grid.

    Example:

    >>> patch_labels([[[1, 1, 0, 2], [1, 0, 2, 2]]], (1, 2)).tolist()
    [[[1, 2]]]
    """
    array = as_pixel_masks("masks", masks)
    rows, columns = (check_integer("grid", side, 1) for side in grid)
    height, width = array.shape[1] // rows, array.shape[2] // columns
    if not height or not width:
        raise ValueError(
            f"`masks` must have a pixel for each place of the grid, {rows} x {columns}. Received: "
            f"masks.shape={array.shape}"
        )
    parts = array[:, : rows * height, : columns * width].reshape(-1, rows, height, columns, width)
    labels = np.unique(array[array != -1]) if (array != -1).any() else np.array([-1], array.dtype)
    best, most = np.full((len(array), rows, columns), -1, array.dtype), np.zeros((len(array), rows, columns), np.int64)
    for label in labels:
        votes = np.count_nonzero(parts == label, axis=(2, 4))
        best, most = np.where(votes > most, label, best), np.maximum(votes, most)
    return best


def pixel_labels(labels: Tensor, height: int, width: int) -> np.ndarray:
    """Gives each pixel the label of its patch; pixels beyond the last patch that of the last.

    Args:
        labels: integers `[N, rows, columns]`.
        height, width: of the masks, in pixels.

    Returns:
        integers `[N, height, width]`.

    Raises:
        ValueError: if the labels are no integers `[N, rows, columns]`, or there are more patches than pixels.

    Example:

    >>> pixel_labels([[[1, 2]]], 2, 5).tolist()
    [[[1, 1, 2, 2, 2], [1, 1, 2, 2, 2]]]
    """
    array = as_pixel_masks("labels", labels)
    rows, columns = array.shape[1:]
    height, width = check_integer("height", height, rows), check_integer("width", width, columns)
    row = np.minimum(np.arange(height) // (height // rows), rows - 1)
    column = np.minimum(np.arange(width) // (width // columns), columns - 1)
    return array[:, row[:, np.newaxis], column]


def as_pixel_masks(name: str, masks: Tensor) -> np.ndarray:
    """Masks as an integer array `[N, H, W]`.

    Raises:
        ValueError: if they are something else.
    """
    array = np.asarray(masks)
    if array.ndim != 3 or array.size == 0 or array.dtype.kind not in "biu":
        raise ValueError(
            f"`{name}` must be integers [N, H, W]. Received: {name}.shape={array.shape}, {name}.dtype={array.dtype}"
        )
    return array.astype(np.int64) if array.dtype.kind in "bu" else array
