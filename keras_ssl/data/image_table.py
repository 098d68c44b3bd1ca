"""Image files that a Parquet table names."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.data.image_folder import ImageFolder
from keras_ssl.data.image_source import MAX_DAMAGED, ImageSource
from keras_ssl.data.path_list import PathList
from keras_ssl.paths import user_path

PATH_COLUMNS = ("path", "file_name", "image_path", "filename", "file")
"""Columns that hold the paths where none is named, the first that is there."""
LABEL_COLUMNS = ("label", "class")
_ROWS = 65536  # of the table that are read at a time


class ImageTable(ImageFolder):
    """The image files that a Parquet file names, a row each, read as `ImageFolder` reads them.

    Args:
        path: the Parquet file. Paths in it are relative to its folder, or absolute.
        size: as for `ImageFolder`.
        column: that holds the paths. Defaults to None: the first of path, file_name, image_path, filename and file.
        labelled: `True` for the classes of a column `label` or `class`, of texts or integers; `False` for none;
            `"auto"` (default) for classes where there is such a column.
        max_damaged: as for `ImageFolder`; a file that is not there counts as damaged. Defaults to 0.01.
        exif_orientation: as for `ImageFolder`. Defaults to True.

    Raises:
        ValueError: if the table cannot be read, has no such column, or names no image.
        ImportError: if pyarrow is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: int,
        column: str | None = None,
        labelled: bool | str = "auto",
        max_damaged: float = MAX_DAMAGED,
        exif_orientation: bool = True,
    ) -> None:
        ImageSource.__init__(self, user_path(path), size, max_damaged)
        if labelled not in (True, False, "auto"):
            raise ValueError(f'Argument `labelled` must be True, False or "auto". Received: labelled={labelled!r}')
        self.exif_orientation = bool(exif_orientation)
        self.unused: dict[str, int] = {}
        self.files, classes = read_table(self.path, column, labels=labelled is not False)
        if labelled is True and classes is None:
            raise ValueError(
                f"With `labelled=True` the table must have a column {' or '.join(LABEL_COLUMNS)}. "
                f"Received: path={self.path!r}"
            )
        labels = None
        if classes is not None:
            self.class_names, labels = classes
        self._keep_readable(labels)

    def file_path(self, number: int) -> bytes:
        return os.path.join(os.fsencode(os.path.dirname(self.path)), self.files.encoded(number))


def read_table(
    path: str | os.PathLike[str], column: str | None = None, labels: bool = True
) -> tuple[PathList, tuple[tuple[str, ...], np.ndarray] | None]:
    """The paths of a Parquet file; and where there are classes their sorted names and those of all rows, int32.

    The file is read in parts: ten million paths of 36 bytes take half a gigabyte.

    Args:
        path: of the file.
        column: that holds the paths. Defaults to None: one of `PATH_COLUMNS`.
        labels: whether to read classes. Defaults to True.

    Raises:
        ValueError: as `ImageTable`.
        ImportError: if pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportError(
            f"Parquet files are read by pyarrow: pip install pyarrow. Received: path={os.fspath(path)!r}"
        ) from error
    try:
        known = parquet.read_schema(Path(path)).names
        name = next((name for name in PATH_COLUMNS if name in known), None) if column is None else column
        if name is None or name not in known:
            wanted = " or ".join(PATH_COLUMNS) if column is None else column
            raise ValueError(
                f"`column` must name the column of the paths, {wanted}. "
                f"Received: column={column!r}, {os.fspath(path)!r} with {', '.join(known)}"
            )
        kind = next((name for name in LABEL_COLUMNS if name in known), None) if labels else None
        with parquet.ParquetFile(Path(path)) as file:
            paths = PathList(_checked(_values(file, name), name))
            classes = None if kind is None else _numbered(_values(file, kind), len(paths))
    except (ArrowException, OSError) as error:
        raise ValueError(f"The Parquet file cannot be read ({error}). Received: path={os.fspath(path)!r}") from error
    if not len(paths):
        raise ValueError(f"`column` must hold a path in every row, at least one. Received: column={name!r}")
    return paths, classes


def _values(file: Any, column: str) -> Iterator[Any]:
    for part in file.iter_batches(_ROWS, columns=[column]):
        yield from part.column(0).to_pylist()


def _checked(values: Iterable[Any], column: str) -> Iterator[str]:
    for value in values:
        if not isinstance(value, str) or not value:
            raise ValueError(f"`column` must hold a path in every row, at least one. Received: column={column!r}")
        yield value


def _numbered(values: Iterable[Any], count: int) -> tuple[tuple[str, ...], np.ndarray]:
    """The sorted names of classes, and the number of each value's, int32 `[count]`."""
    found: dict[str, int] = {}  # the names as they come
    numbers = np.fromiter((found.setdefault(str(value), len(found)) for value in values), np.int32, count)
    names = sorted(found)
    places = np.empty(len(names), np.int32)
    places[[found[name] for name in names]] = np.arange(len(names))
    return tuple(names), places[numbers]
