"""The data that recipes and scripts name: the embedded digits, downloads, .npz files, folders of images or records."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data import coloured_digits, from_arrays
from keras_ssl.data.image_batches import ImageBatches
from keras_ssl.data.image_folder import ImageFolder
from keras_ssl.data.image_records import ImageRecords
from keras_ssl.data.image_source import ImageSource
from keras_ssl.data.load_folder import load_images
from keras_ssl.data.record_format import SUFFIX
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.hub.tfds_data import tfds_test, tfds_train

_NAMES = ("coloured_digits", "cifar10", "cifar100")
_KERAS = ("cifar10", "cifar100", "fashion_mnist", "mnist")  # keras.datasets has texts and tables, too
_TEST_FOLDERS = ("test", "val")
_LABELLED_BYTES = 2**31  # labelled images beyond this are not read into memory to watch the training


@dataclass(frozen=True)
class LabelledImages:
    """Images in memory, with labels and a test part where there are any.

    Args:
        x: images, `[N, H, W, C]`.
        y: labels `[N]`, or None.
        x_test: images of the test part, or None where the data has none.
        y_test: their labels.
        classes: names of the labels 0, 1, ..., where the data tells them.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DataSource:
    """Where images come from: made or read as a whole (`make`), or files that are streamed (`train`, `test`).

    Args:
        known: the arguments that `make`, or `train` and `test`, take.
        make: returns `LabelledImages`.
        train: opens the training images, an `ImageSource`.
        test: opens those of the test part, or returns None where there is none.
    """

    known: tuple[str, ...]
    make: Callable[..., LabelledImages] | None = None
    train: Callable[..., ImageSource] | None = None
    test: Callable[..., ImageSource | None] = lambda **arguments: None

    @property
    def settings(self) -> tuple[str, ...]:
        """What a recipe can say of the data: `known`, and for data in memory `on_device`, as in `from_arrays`."""
        return self.known if self.make is None else (*self.known, "on_device")

    def read(self, **arguments: Any) -> LabelledImages:
        """All images, in memory."""
        if self.train is None:
            return self.make(**arguments)  # type: ignore[misc]  # one of the two is there
        return _in_memory(self.train(**arguments), self.test(**arguments))


def data_source(name: str) -> DataSource:
    """The data called `name`.

    - "coloured_digits": the embedded digits; takes `seed`, `size`, `textured`, and `count` training images, a
      third as many of which are made for testing;
    - "cifar10", "cifar100", or "keras:NAME": what `keras.datasets` downloads (also "keras:mnist" and
      "keras:fashion_mnist", whose grey images become RGB);
    - "tfds:NAME": what tensorflow_datasets downloads, its images and their labels, streamed from the shards that it
      makes; takes `size`, by default that of the images where all have one;
    - an .npz file with the arrays `x` and, where there are labels, `y`, `x_test`, `y_test`;
    - a folder of JPEG and PNG files, a class per folder or unlabelled; takes `size` and `labelled`. Where it
      holds a folder `train` and a folder `test` or `val`, these are its two parts;
    - a folder of TFRecord shards, as scripts/make_tfrecords.py makes them, or two of them in the same way; takes
      `size`.

    Nothing is read or downloaded yet.

    Raises:
        ValueError: if there is no such data; the message names the argument.
    """
    if name == "coloured_digits":
        known = [argument for argument in known_arguments(coloured_digits) if argument != "split"]
        return DataSource(tuple(known), _coloured_digits)
    kind, _, rest = name.partition(":")
    if kind == "tfds" and rest:
        return DataSource(("size",), train=partial(tfds_train, rest), test=partial(tfds_test, rest))
    if kind == "keras" or name in _NAMES:
        keras_name = rest if kind == "keras" else name
        if keras_name not in _KERAS:
            raise ValueError(
                f"`data` must name images of keras.datasets. {suggestion(keras_name, _KERAS)} Received: data={name!r}"
            )
        return DataSource((), lambda: _keras_datasets(keras_name))
    path = Path(name)
    if path.suffix == ".npz" and path.is_file():
        return DataSource((), lambda: _npz(path))
    if path.is_dir():
        train, test = _parts(path)
        if any(train.glob(f"*{SUFFIX}*")):
            return DataSource(
                ("size",),
                train=lambda size: ImageRecords(train, size),
                test=lambda size: None if test is None else ImageRecords(test, size),
            )
        return DataSource(
            ("size", "labelled"),
            train=partial(ImageFolder, train),
            test=lambda **arguments: None if test is None else ImageFolder(test, **arguments),
        )
    raise ValueError(
        "`data` must be a name, an .npz file or a folder of images or TFRecords. "
        f"{suggestion(name, _NAMES)} Received: data={name!r}"
    )


def training_batches(
    source: DataSource, arguments: dict[str, Any], batch_size: int, seed: int
) -> tuple[Any, LabelledImages | None]:
    """Batches for `fit`, and the labelled images to watch it with, or None where there are no labels.

    Files are streamed, and read into memory for the second purpose only if they are at most 2 GiB of labelled
    images. They are listed once for both.
    """
    if source.train is None:
        on_device = arguments.get("on_device", False)
        images = source.read(**{key: value for key, value in arguments.items() if key != "on_device"})
        batches: Any = from_arrays(images.x, images.y, batch_size=batch_size, seed=seed, on_device=on_device)
        return batches, images if images.y is not None else None
    opened = source.train(**arguments)
    batches = ImageBatches(opened, batch_size, seed, shuffle=True, drop_remainder=True, epoch=0)
    too_many = len(opened) * 3 * opened.size**2 > _LABELLED_BYTES
    return batches, None if too_many or not opened.labelled else _in_memory(opened, source.test(**arguments))


def _coloured_digits(count: int | None = None, **arguments: Any) -> LabelledImages:
    train = coloured_digits("train", count=count, **arguments)
    test = coloured_digits("test", count=None if count is None else max(1, count // 3), **arguments)
    return LabelledImages(*train, *test)


def _keras_datasets(name: str) -> LabelledImages:
    try:
        (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # a download that fails raises nothing more special
        raise OSError(f"keras.datasets.{name} cannot be loaded ({error}). Received: data='keras:{name}'") from error
    return LabelledImages(_rgb(x), y.ravel(), _rgb(x_test), y_test.ravel())


def _rgb(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 4 else np.repeat(x[..., np.newaxis], 3, axis=3)


def _npz(path: Path) -> LabelledImages:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"An .npz file cannot be read ({error}). Received: data={str(path)!r}") from error
    known = {"x", "y", "x_test", "y_test"}
    if "x" not in arrays or not set(arrays) <= known or ("x_test" in arrays) != ("y_test" in arrays):
        raise ValueError(
            "An .npz file must hold x, and may hold y, and x_test with y_test. "
            f"Received: data={str(path)!r} with {', '.join(sorted(arrays)) or 'no arrays'}"
        )
    return LabelledImages(**arrays)


def _in_memory(train: ImageSource, test: ImageSource | None) -> LabelledImages:
    x, y, classes = load_images(train)
    if test is None or y is None:
        return LabelledImages(x, y, classes=classes or None)
    x_test, y_test, test_classes = load_images(test)
    if test_classes != classes:
        raise ValueError(
            "Both parts of a data set must have the same classes. "
            f"Received: {train.path!r} with {list(classes)}, {test.path!r} with {list(test_classes)}"
        )
    return LabelledImages(x, y, x_test, y_test, classes or None)


def _parts(path: Path) -> tuple[Path, Path | None]:
    tests = [path / name for name in _TEST_FOLDERS if (path / name).is_dir()]
    return (path / "train", tests[0]) if tests and (path / "train").is_dir() else (path, None)
