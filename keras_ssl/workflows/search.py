"""The images whose features are nearest to those of one."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.find_neighbors import find_neighbors
from keras_ssl.evaluation.open_features import open_features
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.workflows.embed import DEFAULT_SIZE, encoder_of

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
    encoder, size = encoder_of(model, accept_license)
    image = query if hasattr(query, "shape") else read_image(query, image_size or size or DEFAULT_SIZE)
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


def read_image(path: str | os.PathLike[str], size: int) -> np.ndarray:
    """The center square of an image file, upright, uint8 `[size, size, 3]`.

    Files of a folder are resized by another program, antialiased too: pixels may differ by a few levels.

    Raises:
        ValueError: if it cannot be decoded.
    """
    try:
        with Image.open(Path(user_path(path))) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
            return np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"`query` must be an image file ({error}). Received: query={os.fspath(path)!r}") from error
