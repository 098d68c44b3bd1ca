"""A small folder of images as arrays."""

import os
from collections.abc import Sequence

import numpy as np

from keras_ssl.data.band_folder import open_folder
from keras_ssl.data.image_source import MAX_DAMAGED, ImageSource


def load_folder(
    path: str | os.PathLike[str],
    size: int,
    labelled: bool | str = "auto",
    max_damaged: float = MAX_DAMAGED,
    exif_orientation: bool = True,
    bands: int | None = None,
    value_range: Sequence[float] | None = None,
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Reads all image files below a folder into memory.

    For sets that fit: 10,000 images of 64 pixels are 123 MB. Files are listed, verified, decoded and resized
    as `keras_ssl.data.from_folder` does, in sorted order; damaged ones are named in a warning and left out.

    Args:
        path: the folder.
        size: height and width of the images, in pixels.
        labelled: `True` for a class per folder, `False` for no labels, `"auto"` (default) for classes where
            `path` holds at least two folders and no images.
        max_damaged: the largest share of files that may be damaged, 0 to 1. Defaults to 0.01.
        exif_orientation: whether photos are turned upright as their EXIF data say. Defaults to `True`.
        bands, value_range: of stacks of bands, as for `keras_ssl.data.from_folder`. Default to `None`.

    Returns:
        `(images, labels, class_names)`: uint8 `[N, size, size, 3]`, of stacks float32 `[N, size, size, bands]`;
        int32 `[N]`, or `None` without labels;
        the names of the classes in the order of their numbers.

    Raises:
        ValueError: if the folder cannot be listed, holds no images, has a class without images, or more than
            `max_damaged` of its files are damaged (a `keras_ssl.data.DamagedImagesError`); or an argument is out of
            range.
        ImportError: if TensorFlow is not installed.

    Example:

    ```python
    images, labels, class_names = keras_ssl.data.load_folder("photos", size=64)
    ```
    """
    return load_images(open_folder(path, size, labelled, max_damaged, exif_orientation, bands, value_range))


def load_images(source: ImageSource) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """All images of a source that is open already, as `load_folder` returns them."""
    images = np.empty((len(source), source.size, source.size, source.channels), source.dtype)
    labels = np.empty(len(source), np.int32)
    kept = np.zeros(len(source), bool)
    for batch in source.stream(np.arange(len(source)), batch_size=256):
        images[batch.numbers], labels[batch.numbers] = batch.images, batch.labels
        kept[batch.numbers] = batch.decoded
    if not kept.all():
        images, labels = images[kept], labels[kept]
    return images, labels if source.labelled else None, source.class_names
