"""Whether the features of a place find that place again in another view."""

from typing import NamedTuple

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.validation import as_feature_maps, as_images, l2_normalized
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import threefry2x32
from keras_ssl.typing import Tensor

__all__ = ["ShiftedViews", "patch_correspondence", "shifted_views"]


class ShiftedViews(NamedTuple):
    """Two views of images, and where each patch of the second lies in the first.

    Attributes:
        first: the images.
        second: the images shifted and mirrored, of the same shape and type.
        places: row and column in `first` of each patch of `second`, int64 `[N, rows, columns, 2]`; -1 where it is not
            seen there.

    Example:

    >>> shifted_views(np.zeros((1, 8, 8, 3), "uint8"), patch_size=4).places.shape
    (1, 2, 2, 2)
    """

    first: np.ndarray
    second: np.ndarray
    places: np.ndarray


def shifted_views(
    images: Tensor, patch_size: int, largest_shift: float = 0.25, brightness: float = 0.3, seed: int = 0
) -> ShiftedViews:
    """Makes second views by known transforms: a shift by whole patches, a mirroring, darker pixels.

    Image by image: a shift of up to `largest_shift` of the image in each direction, a mirroring from left to right with
    probability 1/2, and a factor of the pixels in [1 - brightness, 1]. What comes into view repeats the edge.

    Args:
        images: `[N, H, W, C]`; H and W must be multiples of `patch_size`.
        patch_size: side of a patch in pixels: of a model's features, the image's side over that of the map.
        largest_shift: 0 to 1, rounded down to whole patches. Defaults to 0.25.
        brightness: 0 to 1. Defaults to 0.3.
        seed: of the draws. Defaults to 0.

    Returns:
        A `ShiftedViews`.

    Raises:
        ValueError: if the images cannot be cut into patches, or an argument is out of range.

    Example:

    >>> images = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3))
    >>> views = shifted_views(images, 4, largest_shift=0.5)
    >>> views.second.shape, views.places.shape, bool(views.places.max() < 4)
    ((4, 16, 16, 3), (4, 4, 4, 2), True)
    """
    array = as_images("images", images)
    patch_size, seed = check_integer("patch_size", patch_size, 1), check_integer("seed", seed, 0, 2**32 - 1)
    if array.ndim != 4 or array.shape[1] % patch_size or array.shape[2] % patch_size:
        raise ValueError(
            "`images` must be [N, H, W, C] with sides that are multiples of `patch_size`. Received: "
            f"images.shape={array.shape}, patch_size={patch_size}"
        )
    largest_shift = check_number("largest_shift", largest_shift, 0.0, 1.0)
    brightness = check_number("brightness", brightness, 0.0, 1.0)
    count, height, width = array.shape[:3]
    rows, columns = height // patch_size, width // patch_size
    draws = [_uniform(seed, count, number) for number in range(4)]
    most = [min(int(side * largest_shift), side - 1) for side in (rows, columns)]
    down, right = (
        (drawn * (2 * shift + 1)).astype(np.int64) - shift for drawn, shift in zip(draws[:2], most, strict=True)
    )
    mirrored = draws[2] < 0.5

    def source(size: int, shift: np.ndarray, mirror: np.ndarray) -> np.ndarray:
        """Where each of `size` rows or columns comes from, `[N, size]`, also outside of the image."""
        place = np.arange(size) + shift[:, np.newaxis]
        return np.where(mirror[:, np.newaxis], size - 1 - place, place)

    row = source(height, down * patch_size, np.zeros(count, bool)).clip(0, height - 1)
    column = source(width, right * patch_size, mirrored).clip(0, width - 1)
    second = array[np.arange(count)[:, np.newaxis, np.newaxis], row[:, :, np.newaxis], column[:, np.newaxis]]
    factor = (1.0 - brightness * draws[3])[:, np.newaxis, np.newaxis, np.newaxis]
    scaled = second * factor
    second = (scaled if array.dtype.kind == "f" else np.rint(scaled)).astype(array.dtype)
    patch_row, patch_column = source(rows, down, np.zeros(count, bool)), source(columns, right, mirrored)
    places = np.stack(np.broadcast_arrays(patch_row[:, :, np.newaxis], patch_column[:, np.newaxis]), axis=-1).astype(
        np.int64
    )
    seen = ((places >= 0) & (places < [rows, columns])).all(axis=-1, keepdims=True)
    return ShiftedViews(array, second, np.where(seen, places, -1))


def patch_correspondence(first: Tensor, second: Tensor, places: Tensor, tolerance: int = 0) -> float:
    """The share of patches of the second view whose nearest feature in the first is at the right place.

    Nearest is the highest cosine similarity among all patches of the same image; of equal ones the first in reading
    order. As PCK, the percentage of correct keypoints, with every patch a keypoint. Features without any relation find
    the place in one of `rows * columns` cases, at tolerance 0.

    Args:
        first: features of the first views, `[N, rows, columns, D]`.
        second: features of the second views, `[N, rows', columns', D]`.
        places: row and column of each patch of the second view in the first, integers `[N, rows', columns', 2]`; a
            negative one is not seen there and counts nowhere.
        tolerance: how many patches off, along the rows and along the columns, still counts as right. Defaults to 0.

    Returns:
        0 to 1.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, a place lies outside, or no patch has a place.

    Example:

    >>> first = np.eye(2)[[[[0, 1]]]]
    >>> patch_correspondence(first, first[:, :, ::-1], [[[[0, 1], [0, 0]]]])
    1.0
    """
    one, two = as_feature_maps("first", first), as_feature_maps("second", second)
    tolerance = check_integer("tolerance", tolerance, 0)
    targets = np.asarray(places)
    if len(one) != len(two) or one.shape[-1] != two.shape[-1]:
        raise ValueError(
            "`first` and `second` must be features of the same images and width. Received: "
            f"first.shape={one.shape}, second.shape={two.shape}"
        )
    if targets.shape != (*two.shape[:3], 2) or targets.dtype.kind not in "iu":
        raise ValueError(
            f"`places` must be integers {(*two.shape[:3], 2)}. Received: places.shape={targets.shape}, "
            f"places.dtype={targets.dtype}"
        )
    seen = np.asarray((targets >= 0).all(axis=-1))
    rows, columns = one.shape[1:3]
    if not seen.any() or (targets[seen] >= [rows, columns]).any():
        raise ValueError(
            f"`places` must name places of the first view, {rows} x {columns}, at least one. Received: largest place "
            f"{targets.reshape(-1, 2).max(axis=0).tolist()}"
        )
    keys, queries = (l2_normalized(x.reshape(-1, x.shape[-1])).reshape(len(x), -1, x.shape[-1]) for x in (one, two))
    right = []
    for key, query, target, counts in zip(keys, queries, targets, seen, strict=True):
        nearest = (query @ key.T).argmax(axis=1)
        found = np.stack([nearest // columns, nearest % columns], axis=-1).reshape(target.shape)
        right.append((np.abs(found - target) <= tolerance).all(axis=-1)[counts])
    return float(np.concatenate(right).mean())


def _uniform(seed: int, count: int, draw: int) -> np.ndarray:
    """Numbers in [0, 1), one for each image."""
    counters = np.arange(count, dtype=np.uint32), np.full(count, draw, np.uint32)
    with np.errstate(over="ignore"):
        words = threefry2x32((np.uint32(seed), np.uint32(0x5A1F7000)), counters, xp=np)
    return words[0] * 2.0**-32
