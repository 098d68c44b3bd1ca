"""The JPEG and PNG files of a folder: listed, verified, and decoded to one size by tf.data."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer

_EXTENSIONS = (".jpg", ".jpeg", ".png")
_SKIPPED_FRACTION = 0.01
_NAMED = 5  # files named in a message


class ImageFolder:
    """The images below a folder, with a class per folder or without labels.

    Damaged files are found in two places. When the folder is opened, the first and last bytes of each file
    are read: a JPEG starts with an SOI marker and ends with EOI, a PNG starts with its signature and ends
    with IEND. Files that do not (truncated, empty, renamed, or with something appended) are decoded to
    decide. This costs two small reads per file and catches every truncated file before training. Damage
    inside a file shows when it is decoded: from there on the pipeline guards every image, which costs some
    speed, marks those that fail and goes on. Either way the file is named in a warning and counted in
    `skipped`, and more than 1 % of such files is an error.

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
        self.size = check_integer("size", size, 1)
        if labelled not in (True, False, "auto"):
            raise ValueError(f'Argument `labelled` must be True, False or "auto". Received: labelled={labelled!r}')
        self._tf = _tensorflow()
        self.path = os.fspath(path)
        self.files = sorted(_list(self.path))
        if not self.files:
            raise ValueError(f"Argument `path` must hold JPEG or PNG files. Received: path={self.path!r}")
        self._total = len(self.files)
        self.class_names = self._classes(labelled)
        self.skipped: list[str] = []
        self._careful = False  # whether damage has been met that only decoding shows
        with ThreadPoolExecutor(16) as pool:  # the reads wait for the disk, not for a core
            whole = list(pool.map(self._is_whole, self.files))
        self._skip([file for file, good in zip(self.files, whole, strict=True) if not good])
        self.files = [file for file, good in zip(self.files, whole, strict=True) if good]
        numbers = {name: number for number, name in enumerate(self.class_names)}
        self.labels = np.array([numbers[_top(file)] for file in self.files], np.int32) if self.class_names else None

    def stream(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Reads the files numbered `order`, in this order, in parallel and ahead of use.

        Yields:
            `(images, numbers, decoded)` for each batch: uint8 `[n, size, size, 3]`, the files' numbers, int64
            `[n]`, and booleans `[n]`, false where a file could not be decoded (its image is zero).
        """
        start = 0
        while start < len(order):
            try:
                for images, numbers, decoded in self._pipeline(order[start:], batch_size):
                    self._skip([self.files[number] for number in numbers[~decoded]])
                    yield images, numbers, decoded
                    start += batch_size
            except self._tf.errors.OpError:
                # The batch at `start` holds a damaged file: read it again, and the rest, with care.
                if self._careful:
                    raise
                self._careful = True

    def _pipeline(self, order: np.ndarray, batch_size: int) -> Any:
        tf = self._tf
        paths = tf.constant([os.path.join(self.path, file) for file in self.files])
        nothing = tf.zeros((self.size, self.size, 3), tf.uint8)

        def read(number: Any) -> Any:
            return self._decode(paths[number]), number, True

        def read_carefully(number: Any) -> Any:
            # Each image is a data set of its own, whose errors are ignored, followed by a substitute; the
            # first element of the two is taken. This can cost as much as decoding a small image.
            image = tf.data.Dataset.from_tensors(number).map(read).ignore_errors()
            substitute = tf.data.Dataset.from_tensors((nothing, number, False))
            return image.concatenate(substitute).take(1).get_single_element()

        # Threads of its own: the thread that waits for a batch may be one of TensorFlow's, and must not be
        # waiting for itself.
        options = tf.data.Options()
        options.threading.private_threadpool_size = max(2, os.cpu_count() or 2)
        with tf.device("CPU:0"):
            data = tf.data.Dataset.from_tensor_slices(order)
            data = data.map(
                read_carefully if self._careful else read,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            return data.batch(batch_size).prefetch(2).with_options(options).as_numpy_iterator()

    def _decode(self, path: Any) -> Any:
        tf = self._tf
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        height, width = tf.shape(image)[0], tf.shape(image)[1]
        side = tf.minimum(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        # Cutting before resizing bounds the memory of a very long image.
        square = image[top : top + side, left : left + side]
        square = tf.image.resize(square, (self.size, self.size), antialias=True)
        return tf.ensure_shape(tf.cast(tf.round(square), tf.uint8), (self.size, self.size, 3))

    def _classes(self, labelled: bool | str) -> tuple[str, ...]:
        loose = [file for file in self.files if not _top(file)]
        names = sorted({_top(file) for file in self.files} - {""})
        if labelled is False or (labelled == "auto" and (loose or len(names) < 2)):
            return ()
        if loose:
            raise ValueError(
                "With `labelled=True` every image must lie in a class folder. "
                f"Received: path={self.path!r} with image {loose[0]!r}"
            )
        empty = sorted(set(_folders(self.path)) - set(names))
        if empty:
            raise ValueError(
                "Every class folder must hold images, or the numbers of the classes would depend on it "
                "(pass `labelled=False` for no classes). "
                f"Received: path={self.path!r} with folder {empty[0]!r}"
            )
        return tuple(names)

    def _is_whole(self, file: str) -> bool:
        path = os.path.join(self.path, file)
        try:
            with open(path, "rb") as stream:
                head = stream.read(8)
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - 12))
                tail = stream.read()
            if head.startswith(b"\xff\xd8") and tail.endswith(b"\xff\xd9"):
                return True
            if head == b"\x89PNG\r\n\x1a\n" and tail[4:8] == b"IEND":
                return True
            tf = self._tf
            tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        except (OSError, self._tf.errors.OpError):
            return False
        return True

    def _skip(self, files: list[str]) -> None:
        """Notes files that cannot be decoded, names them, and raises when they are too many."""
        new = [file for file in files if file not in self.skipped]
        if not new:
            return
        self.skipped += new
        names = ", ".join(repr(file) for file in new[:_NAMED]) + (", ..." if len(new) > _NAMED else "")
        count = f"{len(self.skipped)} of {self._total} image files"
        if len(self.skipped) > _SKIPPED_FRACTION * self._total:
            raise ValueError(
                f"More than 1 % of the image files cannot be decoded: {count}. "
                f"Received: path={self.path!r} with damaged {names}"
            )
        warnings.warn(f"Skipped damaged image files in {self.path!r} ({count} so far): {names}", stacklevel=3)


def _tensorflow() -> Any:
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "Image folders are read by tf.data: pip install tensorflow (or use keras_ssl.data.from_arrays). "
            f"Received: backend={keras.backend.backend()!r}, without TensorFlow"
        ) from error
    if keras.backend.backend() != "tensorflow":
        try:
            # Reading needs no accelerator; TensorFlow would take the memory that the backend needs.
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:
            pass  # TensorFlow runs already, so its devices are the user's choice
    return tf


def _list(root: str, inside: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """Relative paths, with forward slashes, of the image files in the folder `inside` of `root` and below."""
    folder = os.path.join(root, inside)
    real = os.path.realpath(folder)
    if real in above:  # a link that leads in a circle
        return
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise ValueError(
            f"Argument `path` must be a folder that can be listed ({error.strerror}: {folder!r}). "
            f"Received: path={root!r}"
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _list(root, f"{inside}{entry.name}/", (*above, real))
        elif entry.name.lower().endswith(_EXTENSIONS):
            yield inside + entry.name


def _folders(root: str) -> list[str]:
    return [entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")]


def _top(file: str) -> str:
    """The first folder of a relative path, or "" for a file that lies directly in the root."""
    return file.split("/", 1)[0] if "/" in file else ""
