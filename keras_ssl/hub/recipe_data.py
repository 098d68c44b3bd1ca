"""The data that recipes and scripts name: the embedded digits, downloads, .npz files, folders of images or records."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data import colored_digits, from_arrays, from_streams
from keras_ssl.data.band_folder import open_folder
from keras_ssl.data.digit_scenes import digit_scenes
from keras_ssl.data.image_batches import ImageBatches
from keras_ssl.data.image_records import ImageRecords
from keras_ssl.data.image_source import ImageSource
from keras_ssl.data.image_table import ImageTable
from keras_ssl.data.load_folder import load_images
from keras_ssl.data.record_format import SUFFIX
from keras_ssl.hub.parse_text import shown_path
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.hub.tfds_data import tfds_test, tfds_train
from keras_ssl.losses.numeric import check_integer
from keras_ssl.paths import user_path
from keras_ssl.random import permutation
from keras_ssl.views.view import View

_TABLES = ("breast_cancer", "digits", "iris", "wine")  # of scikit-learn, which come with it
_NAMES = ("colored_digits", "digit_scenes", "cifar10", "cifar100")
_KERAS = ("cifar10", "cifar100", "fashion_mnist", "mnist")  # keras.datasets has texts and tables, too
_TEST_FOLDERS = ("test", "val")
_DAMAGE = ("max_damaged",)  # the share of files that may be damaged: of all that is read from files
_LABELLED_BYTES = 2**31  # labelled images beyond this are not read into memory to watch the training


@dataclass(frozen=True)
class LabelledImages:
    """Images or tables in memory, with labels and a test part where there are any.

    Args:
        x: images, `[N, H, W, C]`; or a table, a dict of columns `[N]`.
        y: labels `[N]`, or None.
        x_test: inputs of the test part, or None where the data has none.
        y_test: their labels.
        classes: names of the labels 0, 1, ..., where the data tells them.
        masks: classes of the pixels of `x`, integers `[N, H, W]`, or None.
        masks_test: those of `x_test`.
        objects_test: numbers of the objects in the pixels of `x_test`, where they are known besides.
    """

    x: Any
    y: np.ndarray | None = None
    x_test: Any = None
    y_test: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    masks: np.ndarray | None = None
    masks_test: np.ndarray | None = None
    objects_test: np.ndarray | None = None


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
        """What a recipe can say of the data: `known`, and for data in memory `on_device`, as in `from_arrays`, or the
        number of `labels` that are kept and the `ratio` of labeled to unlabeled samples in a batch; for files that are
        streamed where `crops` come from."""
        return (*self.known, *(("crops",) if self.make is None else ("on_device", "labels", "ratio")))

    def read(self, **arguments: Any) -> LabelledImages:
        """All images, in memory."""
        if self.train is None:
            return self.make(**arguments)  # type: ignore[misc]  # one of the two is there
        return _in_memory(self.train(**arguments), self.test(**arguments))


def data_source(name: str) -> DataSource:
    """The data called `name`.

    - "colored_digits": the embedded digits; takes `seed`, `size`, `textured`, and `count` training images, a
      third as many of which are made for testing;
    - "digit_scenes": images of several digits without labels, with masks; takes `seed`, `size`, `digits`, `textured`
      and `count` in the same way;
    - "cifar10", "cifar100", or "keras:NAME": what `keras.datasets` downloads (also "keras:mnist" and
      "keras:fashion_mnist", whose gray images become RGB);
    - "sklearn:NAME": a table that comes with scikit-learn, of floating columns: "breast_cancer", "digits" (64 pixels),
      "iris" or "wine"; one sample in five, the same for every seed, is the test part;
    - "tfds:NAME": what tensorflow_datasets downloads, its images and their labels, streamed from the shards that it
      makes; takes `size`, by default that of the images where all have one;
    - an .npz file with the arrays `x` and, where there are labels, `y`, `x_test`, `y_test`;
    - a .parquet file that names image files, in a column `path` or that of `column`, with classes where it has a column
      `label`; takes `size`, `labelled` and `column`;
    - a folder of image files, or of stacks of bands, a class per folder or unlabeled; takes `size` and `labelled`, and
      of stacks `bands` and `value_range`, as `from_folder`. Where it holds a folder `train` and a folder `test` or
      `val`, these are its two parts;
    - a folder of TFRecord shards, as scripts/make_tfrecords.py makes them, or two of them in the same way; takes
      `size`.

    Of files that are streamed (the last three) a recipe may also say `max_damaged`, the share of them that may be
    damaged, by default 0.01; and `crops = "full"`: random crops are cut from the images at full resolution. By default
    ("square") they are cut from the center squares of `size` pixels.

    Nothing is read or downloaded yet.

    Raises:
        ValueError: if there is no such data; the message names the argument.
    """
    if name == "colored_digits":
        known = [argument for argument in known_arguments(colored_digits) if argument != "split"]
        return DataSource(tuple(known), _colored_digits)
    if name == "digit_scenes":
        known = [argument for argument in known_arguments(digit_scenes) if argument not in ("split", "masks")]
        return DataSource(tuple(known), _digit_scenes)
    kind, _, rest = name.partition(":")
    if kind == "sklearn":
        if rest not in _TABLES:
            raise ValueError(
                f"`data` must name a table of scikit-learn. {suggestion(rest, _TABLES)} Received: data={name!r}"
            )
        return DataSource((), lambda: _sklearn_table(rest))
    if kind == "tfds" and rest:
        return DataSource(("size",), train=partial(tfds_train, rest), test=partial(tfds_test, rest))
    if kind == "keras" or name in _NAMES:
        keras_name = rest if kind == "keras" else name
        if keras_name not in _KERAS:
            raise ValueError(
                f"`data` must name images of keras.datasets. {suggestion(keras_name, _KERAS)} Received: data={name!r}"
            )
        return DataSource((), lambda: _keras_datasets(keras_name))
    path = Path(user_path(name))
    if path.suffix == ".npz" and os.path.isfile(path):
        return DataSource((), lambda: _npz(path))
    if path.suffix == ".parquet" and os.path.isfile(path):
        return DataSource(("size", "labelled", "column", *_DAMAGE), train=partial(ImageTable, path))
    if os.path.isdir(path):
        train, test = _parts(path)
        if any(train.glob(f"*{SUFFIX}*")):
            return DataSource(
                ("size", *_DAMAGE),
                train=partial(ImageRecords, train),
                test=lambda **arguments: None if test is None else ImageRecords(test, **arguments),
            )
        return DataSource(
            ("size", "labelled", "bands", "value_range", *_DAMAGE),
            train=partial(open_folder, train),
            test=lambda **arguments: None if test is None else open_folder(test, **arguments),
        )
    problem = "" if os.path.exists(path) else " There is no such path."
    raise ValueError(
        f"`data` must be a name, an .npz or .parquet file or a folder of images or TFRecords.{problem} "
        f"{suggestion(name, _NAMES)} Received: data={shown_path(name)}"
    )


def training_batches(
    source: DataSource, arguments: dict[str, Any], batch_size: int, seed: int, views: View | None = None
) -> tuple[Any, LabelledImages | None]:
    """Batches for `fit`, and the labelled images to watch it with, or None where there are no labels.

    Files are streamed, and read into memory for the second purpose only if they are at most 2 GiB of labelled
    images. They are listed once for both.

    Args:
        source: of the data.
        arguments: what a recipe says of them besides their name.
        batch_size, seed: of the training.
        views: those of the model, which `crops = "full"` needs. Defaults to None.
    """
    if source.train is None:
        how = {key: arguments[key] for key in ("on_device", "labels", "ratio") if key in arguments}
        images = source.read(**{key: value for key, value in arguments.items() if key not in how})
        if "labels" in how:
            batches: Any = _few_labels(images, how["labels"], how.get("ratio", (1, 1)), batch_size, seed)
        else:
            on_device = how.get("on_device", False)
            batches = from_arrays(images.x, images.y, batch_size=batch_size, seed=seed, on_device=on_device)
        return batches, images if images.y is not None else None
    from_files = _crops_are_full(arguments.get("crops", "square"), views)
    arguments = {key: value for key, value in arguments.items() if key != "crops"}
    opened = source.train(**arguments)
    crops = views if from_files else None
    batches = ImageBatches(opened, batch_size, seed, shuffle=True, drop_remainder=True, epoch=0, crops=crops)
    image_bytes = opened.channels * opened.size**2 * np.dtype(opened.dtype).itemsize
    too_many = len(opened) * image_bytes > _LABELLED_BYTES
    return batches, None if too_many or not opened.labelled else _in_memory(opened, source.test(**arguments))


def _crops_are_full(crops: Any, views: View | None) -> bool:
    """Whether random crops are cut from the images at full resolution, as a recipe says."""
    if crops not in ("full", "square"):
        raise ValueError(f'`data.crops` must be "full" or "square". Received: crops={crops!r}')
    if crops == "full" and views is None:
        raise ValueError(f"`data.crops` needs a section [views] in the recipe. Received: crops={crops!r}")
    return crops == "full"


def _few_labels(images: LabelledImages, labels: int, ratio: Sequence[int], batch_size: int, seed: int) -> Any:
    """Batches of labeled and unlabeled images: as many labels of each class are kept, of images drawn by the seed."""
    if images.y is None:
        raise ValueError(f"`data.labels` needs data with labels. Received: labels={labels}")
    kinds = np.unique(images.y[images.y >= 0])
    labels = check_integer("labels", labels, len(kinds))
    order = permutation(len(images.x), seed, 0)
    each, more = divmod(labels, len(kinds))
    kept = [order[images.y[order] == kind][: each + (place < more)] for place, kind in enumerate(kinds)]
    chosen = np.sort(np.concatenate(kept))
    if len(chosen) < labels:
        raise ValueError(f"`data.labels` must be at most what the classes hold. Received: labels={labels}")
    streams = {"labeled": {"x": images.x[chosen], "y": images.y[chosen]}, "unlabeled": {"x": images.x}}
    return from_streams(streams, ratio, batch_size=batch_size, seed=seed)


def _sklearn_table(name: str) -> LabelledImages:
    from sklearn import datasets  # takes long

    loaded = getattr(datasets, f"load_{name}")()
    order = permutation(len(loaded.data), 0, 0)
    test, train = np.sort(order[: len(order) // 5]), np.sort(order[len(order) // 5 :])
    names = [str(column).replace("/", " per ") for column in loaded.feature_names]  # Keras' names have no slash
    tables = [
        {column: loaded.data[rows, place].astype("float32") for place, column in enumerate(names)}
        for rows in (train, test)
    ]
    classes = tuple(str(label) for label in loaded.target_names)
    return LabelledImages(tables[0], loaded.target[train], tables[1], loaded.target[test], classes)


def _colored_digits(count: int | None = None, **arguments: Any) -> LabelledImages:
    train = colored_digits("train", count=count, **arguments)
    test = colored_digits("test", count=None if count is None else max(1, count // 3), **arguments)
    return LabelledImages(*train, *test)


def _digit_scenes(count: int | None = None, **arguments: Any) -> LabelledImages:
    x, masks = digit_scenes("train", count=count, masks="classes", **arguments)
    tested = {"count": None if count is None else max(1, count // 3), **arguments}
    x_test, masks_test = digit_scenes("test", masks="classes", **tested)
    return LabelledImages(
        x,
        x_test=x_test,
        masks=masks,
        masks_test=masks_test,
        objects_test=digit_scenes("test", masks="objects", **tested)[1],
    )


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
    except Exception as error:  # damage, a huge shape, a foreign compression: each layer has errors of its own
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ValueError(f"An .npz file cannot be read ({reason}). Received: data={str(path)!r}") from error
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
