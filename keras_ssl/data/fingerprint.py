"""What tells one data set from another of the same size, found in little time."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches

WHOLE = 2**26  # bytes up to which all of an array is read
ROWS = 4096  # read of a larger one
FILES = 1024  # whose first bytes are read
SIZES = 100_000  # files whose sizes are asked for
HEAD = 2**16  # bytes of a file


def data_fingerprint(data: Any) -> dict[str, Any]:
    """The fingerprint of what `fit` trains on: plain values, equal for equal data.

    - Data sets of this library say theirs (`EpochBatches.fingerprint`).
    - A `tf.data.Dataset`: its element spec, and the sizes of its batches. Nothing is read.
    - Others: nothing.

    Example:

    >>> from keras_ssl.data import from_arrays
    >>> data_fingerprint(from_arrays(np.zeros((4, 2)), batch_size=2))["x"]["shape"]
    [4, 2]
    """
    if isinstance(data, EpochBatches):
        return data.fingerprint()
    if hasattr(data, "element_spec"):
        return {"element_spec": str(data.element_spec), "batch_sizes": _batch_sizes(data)}
    return {}


def array_fingerprint(array: np.ndarray) -> dict[str, Any]:
    """Shape, dtype, and a hash of an array's rows: of all up to 64 MiB, otherwise of some evenly spread over it."""
    rows = spread(len(array), row_count(array.shape, array.dtype))
    read = array if len(rows) == len(array) else array[rows]
    return described(array.shape, read)


def described(shape: Iterable[int], rows: np.ndarray) -> dict[str, Any]:
    """The fingerprint of an array of a shape by some of its rows; float64 counts as float32, as it is trained on."""
    if rows.dtype == np.float64:
        rows = rows.astype(np.float32)
    return {
        "shape": [int(size) for size in shape],
        "dtype": rows.dtype.name,
        "sha256": hash_of([np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data]),
    }


def row_count(shape: tuple[int, ...], dtype: Any) -> int:
    """How many rows of an array are read for its fingerprint."""
    row = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(dtype).itemsize
    return shape[0] if shape[0] * row <= WHOLE else max(1, min(ROWS, WHOLE // row))


def spread(count: int, most: int) -> np.ndarray:
    """At most `most` numbers below `count`, evenly spread over them, the first and the last among them."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(np.int64))


def hash_of(parts: Iterable[bytes | memoryview]) -> str:
    """The SHA-256 of parts and their lengths, in hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def file_sizes(paths: Iterable[bytes]) -> np.ndarray:
    """The sizes of files, int64; -1 for those that are gone."""
    return np.fromiter((_size(path) for path in paths), np.int64)


def file_heads(paths: Iterable[bytes]) -> Iterator[bytes]:
    """The first bytes of files; none of those that are gone, which training finds out by itself."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                yield file.read(HEAD)
        except OSError:
            yield b""


def _size(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _batch_sizes(data: Any) -> list[int]:
    """The sizes of all batches in a tf.data pipeline, the last first; it tells them nowhere in public."""
    sizes = []
    while data is not None:
        size = getattr(data, "_batch_size", None)
        try:
            sizes += [] if size is None else [int(size)]
        except (TypeError, ValueError):
            pass  # a tensor of a graph
        data = getattr(data, "_input_dataset", None)
    return sizes
