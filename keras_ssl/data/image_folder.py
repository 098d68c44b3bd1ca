"""The JPEG and PNG files of a folder: listed, verified, and decoded to one size by tf.data."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_ssl.data.image_source import ImageSource
from keras_ssl.data.path_list import PathList

_EXTENSIONS = (".jpg", ".jpeg", ".png")
_THREADS = 16
_VERIFIED = 1024  # files verified by a thread at a time: a task for each file would take more than the file


class ImageFolder(ImageSource):
    """The images below a folder, with a class per folder or without labels.

    Damaged files are found in two places. When the folder is opened, the first and last bytes of each file
    are read: a JPEG starts with an SOI marker and ends with EOI, a PNG starts with its signature and ends
    with IEND. Files that do not (truncated, empty, renamed, or with something appended) are decoded to
    decide. This costs two small reads per file and catches every truncated file before training. Damage
    inside a file shows when it is decoded: see `ImageSource`.

    Args:
        path: the folder. Hidden files and folders are left out; links are followed.
        size: height and width of the images, in pixels: the centre square of an image is resized, bilinear
            and antialiased. EXIF orientation is not applied. Grey and transparent images become RGB.
        labelled: `True` for a class per folder directly in `path` (its images at any depth), `False` for no
            labels, `"auto"` for classes where `path` holds at least two folders and no images.

    Attributes:
        files: paths relative to `path`, sorted, without the skipped ones.
        labels: int32 `[len(files)]`, or `None`.
        class_names: names of the classes in the order of their numbers, sorted; empty without labels.
        skipped: relative paths of files that cannot be decoded.

    Raises:
        ValueError: if the folder cannot be listed, holds no images, has a class without images, or more than
            1 % of its files are damaged; or an argument is out of range.
        ImportError: if TensorFlow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], size: int, labelled: bool | str = "auto") -> None:
        super().__init__(os.fspath(path), size)
        if labelled not in (True, False, "auto"):
            raise ValueError(f'Argument `labelled` must be True, False or "auto". Received: labelled={labelled!r}')
        self.files = PathList(_list(self.path))
        if not self.files:
            raise ValueError(f"Argument `path` must hold JPEG or PNG files. Received: path={self.path!r}")
        self.total = len(self.files)
        labels = self._classify(labelled)
        damaged = self._damaged()
        self.skip([self.files[number] for number in damaged])
        if damaged:
            left_out = set(damaged)
            self.files = PathList(file for number, file in enumerate(self.files) if number not in left_out)
            labels = None if labels is None else np.delete(labels, damaged)
        self.labels = labels
        self.labelled = labels is not None

    def __len__(self) -> int:
        return len(self.files)

    def name(self, number: int) -> str:
        return self.files[number]

    def feed(self, numbers: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        root = os.fsencode(self.path)
        labels = np.zeros(len(numbers), np.int64) if self.labels is None else self.labels[numbers].astype(np.int64)
        return [os.path.join(root, self.files.encoded(number)) for number in numbers], labels

    def read(self, fed: Any, label: Any) -> tuple[Any, Any]:
        return self._tf.io.read_file(fed), label

    def _classify(self, labelled: bool | str) -> np.ndarray | None:
        """Sets the names of the classes; the labels of all files, or None."""
        if labelled is False:
            return None
        found: dict[str, int] = {}  # the folders directly in the root, and "" for the root, as they come
        folders = np.fromiter((found.setdefault(_top(file), len(found)) for file in self.files), np.int32)
        names = sorted(set(found) - {""})
        if labelled == "auto" and ("" in found or len(names) < 2):
            return None
        if "" in found:
            loose = self.files[int(np.argmax(folders == found[""]))]
            raise ValueError(
                "With `labelled=True` every image must lie in a class folder. "
                f"Received: path={self.path!r} with image {loose!r}"
            )
        empty = sorted(set(_folders(self.path)) - set(names))
        if empty:
            raise ValueError(
                "Every class folder must hold images, or the numbers of the classes would depend on it "
                "(pass `labelled=False` for no classes). "
                f"Received: path={self.path!r} with folder {empty[0]!r}"
            )
        self.class_names = tuple(names)
        numbers = {name: number for number, name in enumerate(names)}
        return np.array([numbers[name] for name in found], np.int32)[folders]

    def _damaged(self) -> list[int]:
        """Numbers of the files that are truncated, or no images."""
        root = os.fsencode(self.path)

        def verify(start: int) -> list[int]:
            numbers = range(start, min(start + _VERIFIED, len(self.files)))
            return [number for number in numbers if not self._is_whole(os.path.join(root, self.files.encoded(number)))]

        with ThreadPoolExecutor(_THREADS) as pool:  # the reads wait for the disk, not for a core
            return [number for part in pool.map(verify, range(0, len(self.files), _VERIFIED)) for number in part]

    def _is_whole(self, path: bytes) -> bool:
        try:
            file = os.open(path, os.O_RDONLY)
            try:
                head = os.pread(file, 8, 0)
                tail = os.pread(file, 12, max(0, os.fstat(file).st_size - 12))
            finally:
                os.close(file)
            if head.startswith(b"\xff\xd8") and tail.endswith(b"\xff\xd9"):
                return True
            if head == b"\x89PNG\r\n\x1a\n" and tail[4:8] == b"IEND":
                return True
            self._tf.io.decode_image(self._tf.io.read_file(path), channels=3, expand_animations=False)
        except (OSError, self._tf.errors.OpError):
            return False
        return True


def _list(root: str, inside: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """Relative paths, with forward slashes, of the image files in the folder `inside` of `root` and below, sorted."""
    folder = os.path.join(root, inside)
    real = os.path.realpath(folder)
    if real in above:  # a link that leads in a circle
        return
    try:
        with os.scandir(folder) as entries:
            names = [entry.name + "/" if entry.is_dir() else entry.name for entry in entries if entry.name[0] != "."]
    except OSError as error:
        raise ValueError(
            f"Argument `path` must be a folder that can be listed ({error.strerror}: {folder!r}). "
            f"Received: path={root!r}"
        ) from error
    names.sort()  # with the slash of a folder, so that the paths come sorted as whole texts
    for name in names:
        if name.endswith("/"):
            yield from _list(root, inside + name, (*above, real))
        elif name.lower().endswith(_EXTENSIONS):
            yield inside + name


def _folders(root: str) -> list[str]:
    return [entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")]


def _top(file: str) -> str:
    """The first folder of a relative path, or "" for a file that lies directly in the root."""
    return file.split("/", 1)[0] if "/" in file else ""
