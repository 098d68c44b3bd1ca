"""Near-copies in a folder of images."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.first_near import first_near
from keras_ssl.data.selection.redundancy_reduction import RedundancyReduction
from keras_ssl.evaluation.open_features import FeatureSet, open_features
from keras_ssl.workflows.coarse_pictures import alike, coarse
from keras_ssl.workflows.picture_set import PictureSet, whole_rows

__all__ = ["Duplicate", "find_duplicates"]

_BITS = 1.0
"""Default distance of hashes, in bits of 64: near-copies in the sense of compression and size, not of content."""
_COSINE = 0.01
_LOOSENESS = 0.1  # of the correlation of the images, by bit of the threshold


@dataclass(frozen=True)
class Duplicate:
    """An image that has near-copies, or is one.

    Args:
        group: number of its group, from 1.
        kept: whether it is the first of its group.
        distance: to the first of its group.
        name: of the image.
        row: its number in the data.
    """

    group: int
    kept: bool
    distance: float
    name: str
    row: int


def find_duplicates(
    data: Any = None,
    model: Any = None,
    *,
    features: str | os.PathLike[str] | None = None,
    threshold: float | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    max_damaged: float | None = None,
    accept_license: str | None = None,
) -> list[Duplicate]:
    """Finds groups of images that are near-copies of their first, as `keras_ssl.data.RedundancyReduction` does.

    Without a model, difference hashes of 64 bits are compared, which changes of size, compression and brightness leave
    nearly as they are; and since images that are mostly of one color have few bits, the images themselves, averaged to
    8 x 8 places, must correlate: by 0.9 for a threshold of 1 bit, and a tenth less for each bit more. With a model,
    features are compared, which see the same thing in two pictures. The features of a million images are best computed
    once, by `keras_ssl.embed(model, data, out=...)`, and compared from there.

    Args:
        data: a folder of images, or another name that `data.name` of a recipe takes; an array of images; or a
            `tf.data.Dataset` of images. Defaults to None, for `features`.
        model: as for `keras_ssl.embed`. Defaults to None: hashes are compared.
        features: the .npz file or the folder that `keras_ssl.embed` wrote, in the place of `data` and `model`. It is
            read in blocks. Defaults to None.
        threshold: the largest distance of near-copies: bits of 64 for hashes, 1 - cosine for features. Defaults to
            None: 1 bit, or 0.01.
        image_size: as for `keras_ssl.embed`. Defaults to None.
        batch_size: images in a batch. Defaults to 256.
        max_damaged: as for `keras_ssl.embed`. Defaults to None: 0.01.
        accept_license: as for `keras_ssl.load`. Defaults to None.

    Returns:
        The images of all groups of two or more, group by group in the order of their first images, each first image
        before its copies. Images that cannot be decoded are left out, with a warning.

    Raises:
        ValueError: if there are no such data or model, or an argument is out of range.

    Example:

    >>> images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), "uint8")
    >>> images[3] = images[1]
    >>> [(found.group, found.kept, found.row) for found in find_duplicates(images)]
    [(1, True, 1), (1, False, 3)]
    """
    if features is not None:
        if data is not None or model is not None:
            raise ValueError(
                f"`features` stands in the place of `data` and `model`. Received: features={os.fspath(features)!r} and "
                f"{'data' if model is None else 'model'}"
            )
        return duplicates_among(open_features(features), threshold)
    pictures = PictureSet(data, max_damaged)
    return duplicates_of(pictures, model, threshold, image_size, batch_size, accept_license)


def duplicates_of(
    pictures: PictureSet,
    model: Any,
    threshold: float | None,
    image_size: int | None,
    batch_size: int,
    accept_license: str | None,
) -> list[Duplicate]:
    """As `find_duplicates`, of opened images."""
    if model is None:
        compared = RedundancyReduction("hash", _BITS if threshold is None else threshold)
        # The pictures themselves are not kept: of many files they would not fit into memory.
        parts, small, decoded = zip(
            *((compared.describe(part), coarse(part), whole) for part, whole in pictures.batches()), strict=True
        )
        rows = np.flatnonzero(np.concatenate(decoded))
        described, seen = np.concatenate(parts)[rows], np.concatenate(small)[rows]
        least = 1.0 - _LOOSENESS * max(compared.threshold, 1.0)
        near = _confirmed(compared, described, lambda ones, other: alike(seen[ones], seen[other]) >= least)
        return _groups(*near, rows, lambda place: pictures.names[rows[place]])
    features = pictures.features(model, image_size, batch_size, accept_license)
    rows = whole_rows(features)
    whole = features if len(rows) == len(features) else features[rows]
    near = first_near(whole, _cosine(threshold))
    return _groups(*near, rows, lambda place: pictures.names[rows[place]])


def _confirmed(
    compared: RedundancyReduction, described: np.ndarray, confirms: Callable[[list[int], int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The first images and the distances to them by hashes, of which a look at both images confirms each.

    What is no copy of the first of its group is compared with the others of the group, in their order.
    """
    originals, distances = compared.originals(described)
    kept: dict[int, list[int]] = {}  # of each group, the images that are no copies
    for place, first in enumerate(originals.tolist()):
        others = kept.setdefault(first, [])
        apart = compared.distances(described[place], described[others])
        near: Any = np.flatnonzero((apart <= compared.threshold) & confirms(others, place)) if others else []
        if len(near):
            originals[place], distances[place] = others[near[0]], apart[near[0]]
        else:
            others.append(place)
            originals[place], distances[place] = place, 0.0
    return originals, distances


def duplicates_among(features: FeatureSet, threshold: float | None) -> list[Duplicate]:
    """As `find_duplicates`, of opened features."""
    return _groups(*first_near(features, _cosine(threshold)), features.numbers, features.name)


def _cosine(threshold: float | None) -> float:
    return check_number("threshold", _COSINE if threshold is None else threshold, 0.0)


def _groups(
    originals: np.ndarray, distances: np.ndarray, rows: np.ndarray, name: Callable[[int], str]
) -> list[Duplicate]:
    counts = np.bincount(originals, minlength=len(originals))
    order = np.argsort(originals, kind="stable")
    order = order[counts[originals[order]] > 1]
    groups = np.unique(originals[order], return_inverse=True)[1] + 1
    found = []
    for group, place in zip(groups.tolist(), order.tolist(), strict=True):
        first, distance = bool(originals[place] == place), float(distances[place])
        found.append(Duplicate(group, first, distance, name(place), int(rows[place])))
    return found
