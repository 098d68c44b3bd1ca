"""The data that recipes and scripts name: the embedded digits, CIFAR, an .npz file, a folder of images."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data import coloured_digits, from_arrays, from_folder, load_folder
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.suggestion import suggestion

_NAMES = ("coloured_digits", "cifar10", "cifar100")
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
    """Where images come from.

    Args:
        read: called with `known` arguments; returns `LabelledImages`.
        known: the arguments that it takes.
        folder: the folder to stream training images from; None for data that is in memory anyway.
    """

    read: Callable[..., LabelledImages]
    known: tuple[str, ...]
    folder: Path | None = None

    @property
    def settings(self) -> tuple[str, ...]:
        """What a recipe can say of the data: `known`, and for data in memory `on_device`, as in `from_arrays`."""
        return self.known if self.folder is not None else (*self.known, "on_device")


def data_source(name: str) -> DataSource:
    """The data called `name`.

    - "coloured_digits": the embedded digits; takes `seed`, `size`, `textured`, and `count` training images, a
      third as many of which are made for testing;
    - "cifar10", "cifar100": as `keras.datasets` downloads them;
    - an .npz file with the arrays `x` and, where there are labels, `y`, `x_test`, `y_test`;
    - a folder of JPEG and PNG files, a class per folder or unlabelled; takes `size` and `labelled`. Where it
      holds a folder `train` and a folder `test` or `val`, these are its two parts.

    Raises:
        ValueError: if there is no such data; the message names the argument.
    """
    if name == "coloured_digits":
        known = [argument for argument in known_arguments(coloured_digits) if argument != "split"]
        return DataSource(_coloured_digits, tuple(known))
    if name in _NAMES:
        return DataSource(lambda: _cifar(name), ())
    path = Path(name)
    if path.suffix == ".npz" and path.is_file():
        return DataSource(lambda: _npz(path), ())
    if path.is_dir():
        train, test = _parts(path)
        return DataSource(lambda **arguments: _folder(train, test, **arguments), ("size", "labelled"), train)
    raise ValueError(
        f"`data` must be a name, an .npz file or a folder of images. {suggestion(name, _NAMES)} Received: data={name!r}"
    )


def training_batches(
    source: DataSource, arguments: dict[str, Any], batch_size: int, seed: int
) -> tuple[Any, LabelledImages | None]:
    """Batches for `fit`, and the labelled images to watch it with, or None where there are no labels.

    Folders are streamed, and read into memory for the second purpose only if they hold at most 2 GiB of
    labelled images.
    """
    if source.folder is None:
        on_device = arguments.pop("on_device", False)
        images = source.read(**arguments)
        batches: Any = from_arrays(images.x, images.y, batch_size=batch_size, seed=seed, on_device=on_device)
        return batches, images if images.y is not None else None
    batches = from_folder(source.folder, batch_size=batch_size, seed=seed, **arguments)
    too_many = len(batches.files) * 3 * arguments["size"] ** 2 > _LABELLED_BYTES
    return batches, None if batches.labels is None or too_many else source.read(**arguments)


def _coloured_digits(count: int | None = None, **arguments: Any) -> LabelledImages:
    train = coloured_digits("train", count=count, **arguments)
    test = coloured_digits("test", count=None if count is None else max(1, count // 3), **arguments)
    return LabelledImages(*train, *test)


def _cifar(name: str) -> LabelledImages:
    (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    return LabelledImages(x, y.ravel(), x_test, y_test.ravel())


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


def _folder(train: Path, test: Path | None, size: int, labelled: bool | str = "auto") -> LabelledImages:
    x, y, classes = load_folder(train, size, labelled)
    if test is None or y is None:
        return LabelledImages(x, y, classes=classes or None)
    x_test, y_test, test_classes = load_folder(test, size, labelled)
    if test_classes != classes:
        raise ValueError(
            "Both parts of a folder must have the same classes. "
            f"Received: {str(train)!r} with {list(classes)}, {str(test)!r} with {list(test_classes)}"
        )
    return LabelledImages(x, y, x_test, y_test, classes)


def _parts(path: Path) -> tuple[Path, Path | None]:
    tests = [path / name for name in _TEST_FOLDERS if (path / name).is_dir()]
    return (path / "train", tests[0]) if tests and (path / "train").is_dir() else (path, None)
