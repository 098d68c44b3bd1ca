"""Near-copies in a folder of images."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.data.selection.redundancy_reduction import RedundancyReduction
from keras_ssl.workflows.picture_set import PictureSet, whole_rows

__all__ = ["Duplicate", "find_duplicates"]

_BITS = 1.0
"""Default distance of hashes, in bits of 64: near-copies in the sense of compression and size, not of content."""
_COSINE = 0.01


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
    data: Any,
    model: Any = None,
    *,
    threshold: float | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    accept_license: str | None = None,
) -> list[Duplicate]:
    """Finds groups of images that are near-copies of their first, by `keras_ssl.data.RedundancyReduction`.

    Without a model, difference hashes of 64 bits are compared, which changes of size, compression and brightness leave
    nearly as they are. With one, features are compared, which see the same thing in two pictures.

    Args:
        data: a folder of images, or another name that `data.name` of a recipe takes; an array of images; or a
            `tf.data.Dataset` of images.
        model: as for `keras_ssl.embed`. Defaults to None: hashes are compared.
        threshold: the largest distance of near-copies: bits of 64 for hashes, 1 - cosine for features. Defaults to
            None: 1 bit, or 0.01.
        image_size: as for `keras_ssl.embed`. Defaults to None.
        batch_size: images in a batch. Defaults to 256.
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
    pictures = PictureSet(data)
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
        parts, decoded = zip(*pictures.batches(), strict=True)
        rows = np.flatnonzero(np.concatenate(decoded))
        described = np.concatenate([compared.describe(part) for part in parts])[rows]
    else:
        compared = RedundancyReduction("embedding", _COSINE if threshold is None else threshold)
        features = pictures.features(model, image_size, batch_size, accept_license)
        rows = whole_rows(features)
        described = compared.describe(features[rows])
    originals, distances = compared.originals(described)
    counts = np.bincount(originals, minlength=len(originals))
    found: list[Duplicate] = []
    for group, first in enumerate(np.flatnonzero(counts > 1).tolist(), start=1):
        for place in np.flatnonzero(originals == first).tolist():
            row = int(rows[place])
            found.append(Duplicate(group, place == first, float(distances[place]), pictures.names[row], row))
    return found
