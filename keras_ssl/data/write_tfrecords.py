"""A folder of images as TFRecord shards."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.data.image_folder import OTHER, ImageFolder
from keras_ssl.data.image_header import MAX_BYTES
from keras_ssl.data.image_source import MAX_DAMAGED
from keras_ssl.data.other_image import read_other
from keras_ssl.data.record_format import SUMMARY, shard_name
from keras_ssl.paths import user_path
from keras_ssl.regular_file import read_regular


def write_tfrecords(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    shards: int = 32,
    labelled: bool | str = "auto",
    max_damaged: float = MAX_DAMAGED,
    exif_orientation: bool = True,
) -> dict[str, Any]:
    """Copies the image files below a folder into TFRecord shards, for `from_tfrecords`.

    The bytes of each JPEG and PNG file are kept as they are, with its label (where there are classes) and its number;
    other formats become PNG, pixel for pixel. Files are listed, verified and numbered as `from_folder` does: shard
    after shard holds them in sorted order, so that the shards give the batches that the folder gives. `dataset.json`
    beside them holds the number of images in all and in each shard, and the names of the classes.

    The folder appears whole or not at all: it is written under another name beside its place, and renamed.

    Args:
        source: the folder of images.
        path: the folder to make for the shards; must not exist, or be empty.
        shards: how many files. Defaults to 32. One of 100 MB or more is read well by all file systems.
        labelled: as in `from_folder`. Defaults to "auto".
        max_damaged: as in `from_folder`. Defaults to 0.01.
        exif_orientation: whether the EXIF orientation of files is written beside them, for `from_tfrecords` to turn
            them upright. Defaults to True.

    Returns:
        What `dataset.json` holds.

    Raises:
        ValueError: as `from_folder`; if `path` is there already, or there are fewer images than shards.
        OSError: if the disk is full or cannot be written to; nothing is left behind.
        ImportError: if TensorFlow is not installed.

    Example:

    ```python
    keras_ssl.data.write_tfrecords("photos", "photo_shards", shards=16)
    ```
    """
    if not isinstance(shards, int) or isinstance(shards, bool) or shards < 1:
        raise ValueError(f"Argument `shards` must be a positive integer. Received: shards={shards!r}")
    target = Path(user_path(path))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ValueError(f"Argument `path` must not be there yet, or be an empty folder. Received: path={str(path)!r}")
    # Nothing is decoded here.
    folder = ImageFolder(source, 1, labelled, max_damaged, exif_orientation)
    if len(folder) < shards:
        raise ValueError(
            f"Argument `shards` must be at most the number of images ({len(folder)}). Received: shards={shards}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        parts = np.array_split(np.arange(len(folder)), shards)
        counts = {}
        for number, part in enumerate(parts):
            name = shard_name(number, shards)
            _write_shard(folder, part, staging / name)
            counts[name] = len(part)
        summary: dict[str, Any] = {"count": len(folder), "class_names": list(folder.class_names), "shards": counts}
        turned = int(np.sum((folder.codes > 1) & (folder.codes <= 8)))
        if turned:
            summary["turned"] = turned
        (staging / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        staging.chmod(0o777 & ~_umask())  # as a folder made in the usual way; those of tempfile are private
        os.replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return summary


def _write_shard(folder: ImageFolder, numbers: np.ndarray, path: Path) -> None:
    import tensorflow as tf

    def integer(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    try:
        with tf.io.TFRecordWriter(os.fsencode(path)) as writer:
            for number in numbers.tolist():
                code, file = int(folder.codes[number]), folder.file_path(number)
                content = _encoded(file, code, folder.exif_orientation)
                fields = {"image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))}
                fields["index"] = integer(number)
                if folder.labels is not None:
                    fields["label"] = integer(int(folder.labels[number]))
                if 1 < code <= 8:
                    fields["orientation"] = integer(code)
                writer.write(tf.train.Example(features=tf.train.Features(feature=fields)).SerializeToString())
    except tf.errors.OpError as error:
        raise OSError(f"A shard cannot be written ({error.message}). Received: {path}") from error
    with open(path, "rb+") as written:
        os.fsync(written.fileno())  # or the rename might reach the disk before the bytes


def _encoded(path: bytes, code: int, exif_orientation: bool) -> bytes:
    """The JPEG or PNG file of an image. What turns out to be damaged is kept as it is: the reader meets it."""
    if code == OTHER:
        try:
            return read_other(path, exif_orientation, "PNG")
        except OSError:
            pass
    return read_regular(path, MAX_BYTES)  # type: ignore[arg-type]  # bytes are a path, too


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
