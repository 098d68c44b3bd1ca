"""The files that TensorBoard's embedding projector reads."""

import os
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from keras_ssl.callbacks.event_writer import encode_png
from keras_ssl.callbacks.views_grid import as_rgb, resized
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.hub.atomic import atomic_file
from keras_ssl.paths import user_path

_THUMBNAIL_SIDE = 64  # 10,000 of these are a texture of 6,400 x 6,400, which browsers still take


def write_projector(
    folder: str | os.PathLike[str], features: np.ndarray, images: np.ndarray, labels: np.ndarray | None = None
) -> None:
    """Writes features with their labels and thumbnails where the projector of TensorBoard finds them.

    Args:
        folder: the run's folder. It gets `projector_config.pbtxt` and the folder `projector`.
        features: `[N, D]`.
        images: the samples, `[N, H, W, C]`, uint8 or floating in [0, 1]: points are shown as thumbnails of these.
        labels: integers or strings `[N]`, to color and search by; None (default) leaves them out.

    Raises:
        OSError: if they cannot be written; each file is then as it was, or whole.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_projector(folder, np.eye(3), np.zeros((3, 8, 8, 3), "uint8"), ["a", "b", "a"])
    >>> sorted(os.listdir(folder))
    ['projector', 'projector_config.pbtxt']
    """
    folder = Path(user_path(folder))
    inside = folder / "projector"
    inside.mkdir(parents=True, exist_ok=True)
    # As text: the plugin reads numbers as text first, and takes them for binary only where that fails.
    with atomic_file(inside / "features.tsv") as staging:
        np.savetxt(staging, features, fmt="%.6g", delimiter="\t")
    rows = [f"{number}" for number in range(len(features))]  # a single column has no header
    if labels is not None:
        words = [utf8_name(" ".join(str(label).split())) for label in labels]
        rows = ["label\tsample", *(f"{word}\t{row}" for word, row in zip(words, rows, strict=True))]
    _write(inside / "labels.tsv", (utf8_name("\n".join(rows)) + "\n").encode())
    picture, (height, width) = sprite(as_rgb(images))
    _write(inside / "sprite.png", encode_png(picture))

    config = ProjectorConfig()
    embedding = config.embeddings.add(tensor_name="features", tensor_path="projector/features.tsv")
    embedding.metadata_path = "projector/labels.tsv"
    embedding.sprite.image_path = "projector/sprite.png"
    embedding.sprite.single_image_dim.extend([width, height])
    _write(folder / PROJECTOR_FILENAME, text_format.MessageToString(config).encode())


def _write(path: Path, content: bytes) -> None:
    """Replaces a file: a page that is being looked at, or a full disk, never finds half of one."""
    with atomic_file(path) as staging:
        staging.write_bytes(content)


def sprite(images: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Thumbnails of uint8 images `[N, H, W, 3]`, row by row in a square, and the height and width of one."""
    columns = int(np.ceil(np.sqrt(len(images))))
    scale = min(1.0, _THUMBNAIL_SIDE / max(images.shape[1:3]))
    thumbnails = np.stack([resized(image, scale) for image in images])
    height, width = thumbnails.shape[1:3]
    filled = np.zeros((columns * columns, height, width, 3), np.uint8)
    filled[: len(images)] = thumbnails
    grid = filled.reshape(columns, columns, height, width, 3).swapaxes(1, 2)
    return grid.reshape(columns * height, columns * width, 3), (height, width)
