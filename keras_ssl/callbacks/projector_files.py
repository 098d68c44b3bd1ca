"""The files that TensorBoard's embedding projector reads."""

import os
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from keras_ssl.callbacks.event_writer import encode_png
from keras_ssl.callbacks.views_grid import as_rgb, resized

_THUMBNAIL_SIDE = 64  # 10,000 of these are a texture of 6,400 x 6,400, which browsers still take


def write_projector(
    folder: str | os.PathLike[str], features: np.ndarray, images: np.ndarray, labels: np.ndarray | None = None
) -> None:
    """Writes features with their labels and thumbnails where the projector of TensorBoard finds them.

    Args:
        folder: the run's folder. It gets `projector_config.pbtxt` and the folder `projector`.
        features: `[N, D]`.
        images: the samples, `[N, H, W, C]`, uint8 or floating in [0, 1]: points are shown as thumbnails of these.
        labels: integers or strings `[N]`, to colour and search by; None (default) leaves them out.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_projector(folder, np.eye(3), np.zeros((3, 8, 8, 3), "uint8"), ["a", "b", "a"])
    >>> sorted(os.listdir(folder))
    ['projector', 'projector_config.pbtxt']
    """
    inside = Path(folder) / "projector"
    inside.mkdir(parents=True, exist_ok=True)
    # As text: the plugin reads numbers as text first, and takes them for binary only where that fails.
    np.savetxt(inside / "features.tsv", features, fmt="%.6g", delimiter="\t")
    rows = [f"{number}" for number in range(len(features))]  # a single column has no header
    if labels is not None:
        words = [" ".join(str(label).split()) for label in labels]
        rows = ["label\tsample", *(f"{word}\t{row}" for word, row in zip(words, rows, strict=True))]
    (inside / "labels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    picture, (height, width) = sprite(as_rgb(images))
    (inside / "sprite.png").write_bytes(encode_png(picture))

    config = ProjectorConfig()
    embedding = config.embeddings.add(tensor_name="features", tensor_path="projector/features.tsv")
    embedding.metadata_path = "projector/labels.tsv"
    embedding.sprite.image_path = "projector/sprite.png"
    embedding.sprite.single_image_dim.extend([width, height])
    (Path(folder) / PROJECTOR_FILENAME).write_text(text_format.MessageToString(config), encoding="utf-8")


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
