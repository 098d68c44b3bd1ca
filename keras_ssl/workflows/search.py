"""The images whose features are nearest to those of one."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.data.band_folder import band_square
from keras_ssl.data.image_file import ImageFile
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.find_neighbors import find_neighbors
from keras_ssl.evaluation.open_features import open_features
from keras_ssl.layers.pixel_scale import check_value_range
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.workflows.embed import encoder_of
from keras_ssl.workflows.file_settings import DEFAULT_SIZE, FileSettings

__all__ = ["Found", "search"]


@dataclass(frozen=True)
class Found:
    """A result of a search.

    Args:
        rank: from 1.
        similarity: cosine, -1 to 1.
        name: of the image, as the file of features has it.
        row: its number there.
    """

    rank: int
    similarity: float
    name: str
    row: int


def search(
    query: Any,
    features: str | os.PathLike[str],
    model: Any,
    *,
    count: int = 10,
    image_size: int | None = None,
    accept_license: str | None = None,
) -> list[Found]:
    """Finds the images that are most similar to one, by the cosine of their features.

    Args:
        query: path of an image file, or an array `[H, W, C]` of the size and type of the model's images.
        features: the .npz file or the folder that `keras_ssl.embed(model, data, out=...)` wrote, by the same model. It
            is read in blocks.
        model: as for `keras_ssl.embed`.
        count: number of results, at most as many as there are features. Defaults to 10.
        image_size: side to which a file is resized, as for `keras_ssl.embed`. Defaults to None.
        accept_license: as for `keras_ssl.load`. Defaults to None.

    Returns:
        The results, the most similar first.

    Raises:
        ValueError: if a file cannot be read, its features are not of the model's width, or an argument is out of range.

    Example:

    ```python
    keras_ssl.embed(model, "photos/", out="features.npz")
    for found in keras_ssl.workflows.search("photo.jpg", "features.npz", model):
        print(found.similarity, found.name)
    ```
    """
    gallery = open_features(features)
    encoder, settings = encoder_of(model, accept_license)
    image = query if hasattr(query, "shape") else read_image(query, settings.given(image_size))
    wanted = extract_features(encoder, np.asarray(image)[np.newaxis], 1)
    if wanted.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"`features` must be of the same model, which gives {wanted.shape[1]} numbers. "
            f"Received: features={os.fspath(features)!r} with {gallery.shape[1]}"
        )
    count = min(check_integer("count", count, 1), len(gallery))
    near, nearest = find_neighbors(wanted, gallery, count)
    return [
        Found(rank, float(similarity), gallery.name(row), int(row))
        for rank, (similarity, row) in enumerate(zip(near[0], nearest[0], strict=True), start=1)
    ]


def read_image(path: str | os.PathLike[str], settings: FileSettings) -> np.ndarray:
    """The center square of an image file, upright, uint8 `[size, size, 3]`; of a stack float32 `[size, size, bands]`.

    The pixels are those that the same file has in a folder.

    Args:
        path: the file.
        settings: its side, which must be known, and the bands and range of a stack.

    Raises:
        ValueError: if it cannot be decoded.
    """
    size = settings.size or DEFAULT_SIZE
    try:
        if settings.bands is not None:
            return band_square(user_path(path), size, settings.bands, check_value_range(settings.value_range, True))
        return ImageFile(path, size).pixels()
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(f"`query` must be an image file ({error}). Received: query={os.fspath(path)!r}") from error
