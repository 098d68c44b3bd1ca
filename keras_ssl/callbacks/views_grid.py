"""A picture of samples and the views that are made of them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

_SMALLEST, _LARGEST = 64, 128  # sides of a cell in pixels
_GAP, _WIDE_GAP = 4, 16
_BACKGROUND = 232


def views_grid(images: np.ndarray, views: Sequence[np.ndarray]) -> np.ndarray:
    """Arranges samples in rows: the sample itself, a wider gap, then its views in the order in which they are made.

    Small images are magnified by a whole number, so that every pixel stays what it is; cells of more than 128 pixels
    are reduced. Views of different sizes (multi-crop) keep their proportions.

    Args:
        images: the samples, `[N, H, W, C]`, uint8 or floating in [0, 1]. One channel is gray; of more than three the
            first three are shown.
        views: arrays `[N, h, w, C]`, likewise.

    Returns:
        The picture, uint8 `[height, width, 3]`.

    Example:

    >>> views_grid(np.zeros((2, 32, 32, 3), "uint8"), [np.ones((2, 32, 32, 3))] * 2).shape
    (140, 220, 3)
    """
    columns = [as_rgb(column) for column in (images, *views)]
    side = max(max(column.shape[1:3]) for column in columns)
    scale = min(max(1, _SMALLEST // side), _LARGEST / side)
    cell = round(side * scale)
    lefts = _GAP + (cell + _GAP) * np.arange(len(columns)) + np.where(np.arange(len(columns)) > 0, _WIDE_GAP - _GAP, 0)
    height, width = _GAP + (cell + _GAP) * len(images), int(lefts[-1]) + cell + _GAP
    picture = np.full((height, width, 3), _BACKGROUND, np.uint8)
    for left, column in zip(lefts, columns, strict=True):
        for row, tile in enumerate(column):
            top, tile = _GAP + (cell + _GAP) * row, resized(tile, scale)
            picture[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return picture


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Images of any number of channels, uint8 or floating in [0, 1], as uint8 `[N, H, W, 3]`."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        images = np.rint(np.clip(images.astype(np.float32), 0.0, 1.0) * 255).astype(np.uint8)
    return images[..., :3] if images.shape[-1] >= 3 else np.repeat(images[..., :1], 3, axis=-1)


def resized(pixels: np.ndarray, scale: float) -> np.ndarray:
    """A uint8 image with both sides multiplied: pixels repeated, or averaged where it becomes smaller."""
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize((width, height), how))
