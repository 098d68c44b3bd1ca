"""Correct localization."""

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.dense.patch_labels import as_pixel_masks
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["corloc"]


def corloc(found: Tensor, masks: Tensor, threshold: float = 0.5, background: int = 0) -> float:
    """The share of images in which the box around the found region fits the box of some object (CorLoc).

    Two boxes fit where their intersection is at least `threshold` of their union. Images without an object count
    nowhere; an image in which nothing was found is missed.

    Args:
        found: booleans `[N, H, W]`: the region that was found in each image.
        masks: numbers of objects, integers `[N, H, W]`; -1 is not labeled.
        threshold: above 0, at most 1. Defaults to 0.5.
        background: the number in `masks` that is no object. Defaults to 0.

    Returns:
        0 to 1.

    Raises:
        ValueError: if shapes differ, types do not fit, no image has an object, or an argument is out of range.

    Example:

    >>> masks = np.zeros((1, 4, 4), int)
    >>> masks[0, :2, :2] = 1
    >>> corloc(masks == 1, masks), corloc(masks == 0, masks)
    (1.0, 0.0)

    Reference:
        Deselaers et al., "Localizing Objects While Learning Their Appearance", ECCV 2010.
    """
    true = as_pixel_masks("masks", masks)
    regions = np.asarray(found)
    if regions.shape != true.shape or regions.dtype.kind != "b":
        raise ValueError(
            f"`found` must be booleans {true.shape}. Received: found.shape={regions.shape}, found.dtype={regions.dtype}"
        )
    threshold = check_number("threshold", threshold, 0.0, 1.0, above=True)
    background = check_integer("background", background, 0)
    hits = []
    for region, mask in zip(regions, true, strict=True):
        objects = [_box(mask == label) for label in np.unique(mask) if label not in (-1, background)]
        if objects:
            hits.append(region.any() and max(_overlap(_box(region), box) for box in objects) >= threshold)
    if not hits:
        raise ValueError(f"`masks` must show an object. Received: background={background}")
    return float(np.mean(hits))


def _box(region: np.ndarray) -> tuple[int, int, int, int]:
    """First row, first column, and one beyond the last of each."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _overlap(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> float:
    height = min(one[2], two[2]) - max(one[0], two[0])
    width = min(one[3], two[3]) - max(one[1], two[1])
    if height <= 0 or width <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return height * width / (sum(areas) - height * width)
