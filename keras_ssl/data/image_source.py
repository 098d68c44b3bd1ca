"""Numbered images in files: read, decoded to one size by tf.data, and those that cannot be decoded counted."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import warn

MAX_DAMAGED = 0.01
_NAMED = 5  # files named in a message


class DamagedImagesError(ValueError):
    """More images cannot be decoded than `max_damaged` allows.

    Args:
        message: what is wrong.
        damaged: names of all images that cannot be decoded, as far as they are known.
    """

    def __init__(self, message: str, damaged: list[str]) -> None:
        super().__init__(message)
        self.damaged = damaged


class ImageBatch(NamedTuple):
    """Images of a batch: uint8 `[n, size, size, 3]` or of the channels and type of the source, numbers and labels int64
    `[n]`, and whether each was decoded."""

    images: np.ndarray
    numbers: np.ndarray
    labels: np.ndarray
    decoded: np.ndarray


class ImageSource(ABC):
    """Encoded images with numbers from 0: the base of `ImageFolder` and `ImageRecords`.

    Damage that shows only when an image is decoded ends the pipeline; from there on it guards every image, which
    costs some speed, marks those that fail and goes on. They are named in a warning and counted in `skipped`, and a
    share of them above `max_damaged` is an error.

    A subclass writes `name`, `read_labels`, `feed`, `read` and `encoded`.

    Args:
        path: where the images are, for messages.
        size: height and width of the images, in pixels.
        max_damaged: the largest share of images that may be damaged, 0 to 1.

    Attributes:
        class_names: names of the classes in the order of their numbers; empty where there are none.
        labelled: whether the images have labels.
        skipped: names of the images that cannot be decoded.
        total: number of images, those included that were left out from the start.
        channels, dtype: of the images that are read.
    """

    class_names: tuple[str, ...] = ()
    channels = 3
    dtype = "uint8"
    labelled = False
    total = 0

    def __init__(self, path: str, size: int, max_damaged: float = MAX_DAMAGED) -> None:
        self.size = check_integer("size", size, 1)
        if isinstance(max_damaged, bool) or not isinstance(max_damaged, int | float) or not 0 <= max_damaged <= 1:
            raise ValueError(f"Argument `max_damaged` must be from 0 to 1. Received: max_damaged={max_damaged!r}")
        self.max_damaged = max_damaged
        self._tf = tensorflow_as_reader()
        self.path = path
        self.skipped: list[str] = []
        self._careful = False  # whether damage has been met that only decoding shows
        self._feed_error: Exception | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def name(self, number: int) -> str:
        """What messages call image `number`."""

    @abstractmethod
    def read_labels(self) -> np.ndarray:
        """The labels of all images, int32, where `labelled` says that there are any."""

    @abstractmethod
    def feed(self, numbers: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        """What `read` is given for each of these images: bytes, and labels, int64."""

    @abstractmethod
    def read(self, fed: Any, label: Any) -> tuple[Any, Any, Any]:
        """The encoded image, its label and its EXIF orientation, as tensors, of what `feed` gave for one.

        A part of tf.data's graph. None for the orientation where all images are upright.
        """

    @abstractmethod
    def encoded(self, fed: bytes, label: int) -> tuple[bytes, int, int]:
        """What `read` gives, on the host: of the orientation 1 where the image is upright.

        Raises:
            OSError: if it cannot be read.
        """

    def stream(self, order: np.ndarray, batch_size: int) -> Iterator[ImageBatch]:
        """Reads the images numbered `order`, in this order, in parallel and ahead of use.

        The image of what could not be decoded is zero.
        """
        start, failed = 0, self._tf.errors.OpError  # looked up now: a program that ends takes modules apart
        while start < len(order):
            try:
                for arrays in self._pipeline(order[start:], batch_size):
                    batch = ImageBatch(*arrays)
                    self.skip([self.name(number) for number in batch.numbers[~batch.decoded]])
                    yield batch
                    start += batch_size
            except failed:
                if self._feed_error is not None:
                    raise self._feed_error from None
                # The batch at `start` holds a damaged image: read it again, and the rest, with care.
                if self._careful:
                    raise
                self._careful = True

    def skip(self, names: list[str]) -> None:
        """Notes images that cannot be decoded, names them, and raises when they are too many."""
        known = set(self.skipped)
        new = [name for name in names if name not in known]
        if not new:
            return
        self.skipped += new
        shown = ", ".join(repr(name) for name in new[:_NAMED]) + (", ..." if len(new) > _NAMED else "")
        count = f"{len(self.skipped)} of {self.total} image files"
        if len(self.skipped) > self.max_damaged * self.total:
            needed = min(1.0, math.ceil(100 * len(self.skipped) / self.total) / 100)
            raise DamagedImagesError(
                f"More than {100 * self.max_damaged:g} % of the image files cannot be decoded: {count}. Remove them, "
                f"or leave them out by `max_damaged={needed:g}`; the attribute `damaged` of this error names all. "
                f"Received: path={self.path!r} with damaged {shown}, max_damaged={self.max_damaged:g}",
                list(self.skipped),
            )
        warn(f"Skipped damaged image files in {self.path!r} ({count} so far): {shown}", stacklevel=3)

    def _pipeline(self, order: np.ndarray, batch_size: int) -> Any:
        tf = self._tf
        nothing = tf.zeros((self.size, self.size, 3), tf.uint8)

        def feeds() -> Iterator[Any]:
            for start in range(0, len(order), batch_size):
                numbers = order[start : start + batch_size]
                try:
                    fed, labels = self.feed(numbers)
                except Exception as error:
                    self._feed_error = error  # TensorFlow would hand on its text alone
                    raise
                yield fed, numbers, labels

        def read(fed: Any, number: Any, label: Any) -> Any:
            encoded, label, orientation = self.read(fed, label)
            return self._decode(encoded, orientation), number, label, True

        def read_carefully(fed: Any, number: Any, label: Any) -> Any:
            # Each image is a data set of its own, whose errors are ignored, followed by a substitute; the
            # first element of the two is taken. This can cost as much as decoding a small image.
            image = tf.data.Dataset.from_tensors((fed, number, label)).map(read).ignore_errors()
            substitute = tf.data.Dataset.from_tensors((nothing, number, label, False))
            return image.concatenate(substitute).take(1).get_single_element()

        # Threads of its own: the thread that waits for a batch may be one of TensorFlow's, and must not be
        # waiting for itself.
        threads = max(2, os.cpu_count() or 2)
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        # The end of every epoch would wait for the thread that tunes, sometimes for many seconds.
        options.autotune.enabled = False
        numbers = tf.TensorSpec([None], tf.int64)
        with tf.device("CPU:0"):
            data = tf.data.Dataset.from_generator(
                feeds, output_signature=(tf.TensorSpec([None], tf.string), numbers, numbers)
            )
            data = data.prefetch(2).unbatch()
            data = data.map(
                read_carefully if self._careful else read,
                num_parallel_calls=threads,
                deterministic=True,
            )
            return data.batch(batch_size).prefetch(2).with_options(options).as_numpy_iterator()

    def _decode(self, encoded: Any, orientation: Any = None) -> Any:
        tf = self._tf
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        if orientation is not None:
            image = tf.cond(tf.equal(orientation, 1), lambda: image, lambda: self._upright(image, orientation))
        height, width = tf.shape(image)[0], tf.shape(image)[1]
        side = tf.minimum(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        # Cutting before resizing bounds the memory of a very long image.
        square = image[top : top + side, left : left + side]

        def resized() -> Any:
            return tf.cast(tf.round(tf.image.resize(square, (self.size, self.size), antialias=True)), tf.uint8)

        # Resizing to the size that an image has changes no pixel, and takes longer than decoding a small one.
        square = tf.cond(tf.equal(side, self.size), lambda: square, resized)
        return tf.ensure_shape(square, (self.size, self.size, 3))

    def _upright(self, image: Any, orientation: Any) -> Any:
        """The image turned and mirrored as its EXIF orientation (1 to 8) says."""
        tf = self._tf
        image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
        for axis, mirrored in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
            applies = tf.reduce_any(tf.equal(orientation, mirrored))
            image = tf.cond(
                applies, lambda image=image, axis=axis: tf.reverse(image, (axis,)), lambda image=image: image
            )
        return image


def tensorflow_as_reader() -> Any:
    """TensorFlow, which on another backend leaves the accelerator alone.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "Image files are read by tf.data: pip install tensorflow (or use keras_ssl.data.from_arrays). "
            f"Received: backend={keras.backend.backend()!r}, without TensorFlow"
        ) from error
    if keras.backend.backend() != "tensorflow":
        try:
            # Reading needs no accelerator; TensorFlow would take the memory that the backend needs.
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:
            pass  # TensorFlow runs already, so its devices are the user's choice
    return tf
