"""A folder of images as batches in an order that is a pure function of (seed, epoch)."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.image_folder import ImageFolder


def from_folder(
    path: str | os.PathLike[str],
    *,
    size: int,
    batch_size: int = 256,
    seed: int = 0,
    shuffle: bool = True,
    drop_remainder: bool = True,
    labelled: bool | str = "auto",
    epoch: int = 0,
) -> "FolderBatches":
    """Makes a data set of the JPEG and PNG files below a folder; tf.data reads and resizes them in parallel.

    Each batch is a dict: `"x"`, uint8 `[batch_size, size, size, 3]`; `"index"`, the number of the file in the
    attribute `files`; and `"y"`, the number of the class in the attribute `class_names`, where there are
    classes. Epoch `e` sees the files in the order `keras_ssl.random.permutation(len(files), seed, e)`.
    `epoch` is an attribute: it grows by one at the end of each epoch, and can be set.

    Files that cannot be decoded are named in a warning, counted in the attribute `skipped`, and an error past
    1 % of all. Truncated files are found at once, by the marker that ends a JPEG or PNG, and left out. Damage
    inside a file shows when it is first decoded. The file then keeps its place in the order, so that the
    order stays a function of seed, epoch and folder alone, and the next good image of its batch stands in for
    it.

    The backend may be JAX; TensorFlow then serves as the reader only.

    Args:
        path: the folder. Hidden files and folders are left out; links are followed.
        size: height and width of the images, in pixels: the centre square of an image is resized, bilinear
            and antialiased. EXIF orientation is not applied. Grey and transparent images become RGB.
        batch_size: images in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        shuffle: whether the order is random. Defaults to `True`.
        drop_remainder: whether the images that do not fill a last batch are left out of the epoch. Defaults
            to `True`.
        labelled: `True` for a class per folder directly in `path` (its images at any depth), `False` for no
            labels, `"auto"` (default) for classes where `path` holds at least two folders and no images.
        epoch: number of the first epoch. Defaults to 0.

    Returns:
        A `keras.utils.PyDataset` with the attributes `class_names`, `files`, `labels`, `skipped` and `epoch`.

    Raises:
        ValueError: if the folder cannot be listed, holds no images or less than one batch, has a class
            without images, or more than 1 % of its files are damaged; or an argument is out of range.
        ImportError: if TensorFlow is not installed.

    Example:

    ```python
    data = keras_ssl.data.from_folder("photos", size=96, batch_size=64, seed=1)
    print(len(data), data.class_names)
    model.fit(data, epochs=10)
    ```
    """
    folder = ImageFolder(path, size, labelled)
    return FolderBatches(folder, batch_size, seed, shuffle, drop_remainder, epoch)


class FolderBatches(EpochBatches):
    """The data set that `from_folder` makes; its arguments are described there."""

    def __init__(
        self, folder: ImageFolder, batch_size: int, seed: int, shuffle: bool, drop_remainder: bool, epoch: int
    ) -> None:
        super().__init__(len(folder.files), batch_size, seed, shuffle, drop_remainder, epoch)
        self._folder = folder
        self._lock = threading.Lock()
        self._stream: Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]] = iter(())
        self._stream_place: tuple[np.ndarray | None, int] = (None, 0)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of their numbers; empty without labels."""
        return self._folder.class_names

    @property
    def files(self) -> list[str]:
        """Paths of the images, relative to the folder: the file of each `index`."""
        return self._folder.files

    @property
    def labels(self) -> np.ndarray | None:
        """Class numbers of `files`, int32, or `None`."""
        return self._folder.labels

    @property
    def skipped(self) -> list[str]:
        """Paths of the files that could not be decoded so far."""
        return self._folder.skipped

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        with self._lock:
            # Reading in order goes on where the last batch ended; any other batch starts the pipeline anew
            # there.
            if self._stream_place[0] is not order or self._stream_place[1] != start:
                self._stream = self._folder.stream(
                    order[start : self.batches_in_epoch * self.batch_size], self.batch_size
                )
            images, numbers, decoded = next(self._stream)
            self._stream_place = (order, start + self.batch_size)
        if not decoded.all():
            rows = _stand_ins(decoded)
            images, numbers = images[rows], numbers[rows]
        batch = {"x": images, "index": numbers.astype(np.int32)}
        return batch if self.labels is None else batch | {"y": self.labels[numbers]}


def _stand_ins(decoded: np.ndarray) -> np.ndarray:
    """For each row of a batch the first decoded row from it onwards, going round at the end."""
    good = np.flatnonzero(decoded)
    if not len(good):
        raise ValueError(f"No image of a batch could be decoded. Received: {len(decoded)} damaged files")
    return good[np.searchsorted(good, np.arange(len(decoded))) % len(good)]
