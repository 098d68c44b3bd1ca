"""Features of encoded images that are in memory: for data that a cluster reads, from object storage for one."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from keras_ssl.data.from_folder import FolderBatches
from keras_ssl.data.image_folder import ImageFolder
from keras_ssl.messages import warn
from keras_ssl.workflows.embed import embed, encoder_of
from keras_ssl.workflows.file_settings import DEFAULT_SIZE
from keras_ssl.workflows.picture_set import whole_rows

__all__ = ["embed_bytes"]

_NAMED = 5


def embed_bytes(
    model: keras.Model | str | os.PathLike[str],
    files: Iterable[tuple[str, bytes]],
    *,
    image_size: int | None = None,
    batch_size: int = 256,
    accept_license: str | None = None,
) -> tuple[list[str], np.ndarray]:
    """Computes the features of encoded images, as `keras_ssl.embed` does of a folder with the same files.

    They are written to a temporary folder one by one, so that memory does not grow with their number.

    Args:
        model, image_size, batch_size, accept_license: as for `keras_ssl.embed`. A program that calls this many times
            looks the model and its image size up once, by `keras_ssl.workflows.embed.encoder_of`, and gives both.
        files: names and contents, of the formats that `keras_ssl.data.from_folder` reads.

    Returns:
        The names, and float32 `[N, D]`, in the order of `files`. Those that cannot be decoded are left out and named in
        a warning.

    Raises:
        ValueError: if none can be decoded, or as `keras_ssl.embed`.

    Example:

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (20, 30)).save(file, "JPEG")
    >>> names, features = embed_bytes("barlow_digits", [("a/1.jpg", file.getvalue())])
    >>> names, features.shape
    (['a/1.jpg'], (1, 128))
    """
    encoder, settings = encoder_of(model, accept_license)
    with tempfile.TemporaryDirectory(prefix="keras_ssl-") as folder:
        names = []
        for number, (name, content) in enumerate(files):
            (Path(folder) / f"{number:08d}.jpg").write_bytes(content)  # the content tells the format
            names.append(name)
        features, numbers = _embedded(encoder, folder, image_size or settings.size or DEFAULT_SIZE, batch_size)
    if not numbers:
        raise ValueError(f"`files` must hold an image that can be decoded. Received: files={names[:_NAMED]!r}")
    if left_out := [names[number] for number in sorted(set(range(len(names))) - set(numbers))]:
        shown = ", ".join(map(repr, left_out[:_NAMED])) + (", ..." if len(left_out) > _NAMED else "")
        warn(f"Left out {len(left_out)} of {len(names)} files that cannot be decoded: {shown}")
    return [names[number] for number in numbers], features


def _embedded(encoder: keras.Model, folder: str, size: int, batch_size: int) -> tuple[np.ndarray, list[int]]:
    """The features of the files that can be decoded, and their numbers."""
    nothing = np.zeros((0, 0), np.float32), list[int]()
    if not os.listdir(folder):
        return nothing
    source = ImageFolder(folder, size, labelled=False, max_damaged=1.0)
    if not len(source):
        return nothing
    batch_size = min(batch_size, len(source))
    images = FolderBatches(source, batch_size, 0, shuffle=False, drop_remainder=False, epoch=0)
    features = np.asarray(embed(encoder, images, batch_size=batch_size))
    rows = whole_rows(features)
    return features[rows], [int(Path(source.files[row]).stem) for row in rows.tolist()]
