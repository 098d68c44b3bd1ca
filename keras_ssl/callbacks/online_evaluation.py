"""What the callbacks that evaluate features during training share."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.data.one_label_each import one_label_each
from keras_ssl.data.ordered_inputs import OrderedInputs
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.validation import as_images, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Logs, Tensor

Images = Tensor | dict[str, Tensor] | EpochBatches
_HELD_OUT = 5  # one sample in five is tested on where no test set is given


class OnlineEvaluation(keras.callbacks.Callback):
    """Base of the callbacks that measure the features of the model in training at the end of epochs.

    The features are `model.predict` of the images: for an objective of this library the encoder's, in
    inference mode. That leaves training untouched: weights, optimizer, random numbers and the compiled
    training step are as before. The number is written to the epoch's logs, where the progress bar, the
    history and every callback further down the list (TensorBoard, ModelCheckpoint ...) see it; put this
    callback before those. Where a feature is NaN or infinite, so is the number NaN.

    A subclass writes `measure`.

    Args:
        images: the images whose features `measure` takes: arrays, or data sets of `keras_ssl.data`, of which every
            sample is taken once, in order, batch by batch.
        every: epochs from one evaluation to the next; the last epoch of `fit` is always evaluated.
        batch_size: images in a batch.
        name: the key in the logs.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, images: tuple[Any, ...], every: int, batch_size: int, name: str) -> None:
        super().__init__()
        if not isinstance(name, str) or not name:
            raise ValueError(f"Argument `name` must be a string that is not empty. Received: name={name!r}")
        self.images = images
        self.labels: tuple[np.ndarray, ...] = ()  # of each of `images`, where `measure` uses labels
        self.every = check_integer("every", every, 1)
        self.batch_size = check_integer("batch_size", batch_size, 1)
        self.name = name

    def measure(self, *features: np.ndarray) -> float:
        """The number to log, from the finite features of each array of `images`, float32 `[N, D]`."""
        raise NotImplementedError

    def is_due(self, epoch: int) -> bool:
        """Whether the epoch of this number, from 0, ends with an evaluation."""
        return (epoch + 1) % self.every == 0 or epoch + 1 == (self.params or {}).get("epochs")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None or not self.is_due(epoch):
            return
        features = [self._features(place) for place in range(len(self.images))]
        finite = all(np.isfinite(array).all() for array in features)
        logs[self.name] = self.measure(*features) if finite else math.nan

    def _features(self, place: int) -> np.ndarray:
        images = self.images[place]
        if not isinstance(images, OrderedInputs):
            return extract_features(self.model, images, self.batch_size)
        inputs = OrderedInputs(images.data, images.numbers, self.batch_size)
        features = extract_features(self.model, inputs, self.batch_size)
        # Images that cannot be decoded take no part: without labels their rows go, else they lose their label.
        rows = sorted(inputs.undecoded)
        if not self.labels:
            return np.delete(features, rows, axis=0)
        features[rows], self.labels[place][rows] = 0, -1
        return features


def labelled_split(
    x_train: Images, y_train: Tensor | None, x_test: Images | None, y_test: Tensor | None
) -> tuple[Any, np.ndarray, Any, np.ndarray]:
    """The checked training and test part of labelled images: images, labels, images, labels.

    Images are arrays; columns of a table, by name; or data sets of `keras_ssl.data`, which bring their labels with
    them.
    All but arrays come back as `OrderedInputs`. Samples whose label is -1 (unlabeled) are left out.

    Without a test part one labelled sample in five of the training part is held out: the first fifth of
    `keras_ssl.random.permutation(N, 0, 0)`, so always the same samples, and a fair draw where the data are
    sorted.

    Raises:
        ValueError: if the lengths of images and labels differ, a part is empty or too small to be split, only
            one of `x_test` and `y_test` is given, a data set has no labels or other labels are given beside it, or no
            sample has a label.
    """
    if not isinstance(x_test, EpochBatches) and (x_test is None) != (y_test is None):
        received = ", ".join(
            f"{name}={'None' if value is None else 'array'}" for name, value in (("x_test", x_test), ("y_test", y_test))
        )
        raise ValueError(f"Arguments `x_test` and `y_test` go together. Received: {received}")
    images, labels, numbers = _checked("train", x_train, y_train)
    if x_test is not None:
        test_images, test_labels, test_numbers = _checked("test", x_test, y_test)
        return _part(images, numbers), labels, _part(test_images, test_numbers), test_labels
    if len(labels) < _HELD_OUT:
        raise ValueError(
            f"Argument `x_train` must hold at least {_HELD_OUT} samples where no `x_test` is given. "
            f"Received: len(x_train)={len(labels)}"
        )
    order = permutation(len(labels), seed=0, epoch=0)
    test, train = np.sort(order[: len(order) // _HELD_OUT]), np.sort(order[len(order) // _HELD_OUT :])
    return _part(images, numbers[train]), labels[train], _part(images, numbers[test]), labels[test]


def _checked(part: str, x: Images, y: Tensor | None) -> tuple[Any, np.ndarray, np.ndarray]:
    """The images; the labels of those that have one, and their numbers."""
    if isinstance(x, dict) and y is not None:  # the columns of a table
        x, y = from_arrays(x, y, batch_size=1, shuffle=False), None
    images: Any = x
    if isinstance(x, EpochBatches):
        if y is not None:
            raise ValueError(
                f"A data set brings its own labels. Received: y_{part} beside x_{part} of type {type(x).__name__}"
            )
        y = x.labels
        if y is None:
            raise ValueError(
                f"Argument `x_{part}` must be a data set with labels. Received: x_{part} of type {type(x).__name__}"
            )
        count = x.count
    elif isinstance(x, keras.utils.PyDataset):
        raise ValueError(
            f"Argument `x_{part}` must be an array or a data set of keras_ssl.data. "
            f"Received: x_{part} of type {type(x).__name__}"
        )
    else:
        images = as_images(f"x_{part}", x)
        count = len(images)
        if y is None:
            raise ValueError(f"Argument `y_{part}` must hold the labels of `x_{part}`. Received: y_{part}=None")
    labels = one_label_each(f"y_{part}", np.array(y))
    if labels.shape != (count,):
        raise ValueError(
            f"Argument `y_{part}` must hold one label for each image of `x_{part}`. Received: "
            f"len(x_{part})={count}, y_{part}.shape={labels.shape}"
        )
    numbers, labels = labeled_only(f"x_{part}", np.arange(count), f"y_{part}", labels)
    return images, labels, numbers


def _part(images: Any, numbers: np.ndarray) -> Any:
    if isinstance(images, EpochBatches):
        return OrderedInputs(images, numbers)
    return images if len(numbers) == len(images) else images[numbers]
