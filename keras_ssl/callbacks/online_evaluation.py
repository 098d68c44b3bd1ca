"""What the callbacks that evaluate features during training share."""

import math

import keras
import numpy as np

from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.validation import as_images
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Logs, Tensor

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
        images: the arrays of images whose features `measure` takes.
        every: epochs from one evaluation to the next; the last epoch of `fit` is always evaluated.
        batch_size: images in a batch.
        name: the key in the logs.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, images: tuple[np.ndarray, ...], every: int, batch_size: int, name: str) -> None:
        super().__init__()
        if not isinstance(name, str) or not name:
            raise ValueError(f"Argument `name` must be a string that is not empty. Received: name={name!r}")
        self.images = images
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
        features = [extract_features(self.model, images, self.batch_size) for images in self.images]
        finite = all(np.isfinite(array).all() for array in features)
        logs[self.name] = self.measure(*features) if finite else math.nan


def labelled_split(
    x_train: Tensor, y_train: Tensor, x_test: Tensor | None, y_test: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The checked training and test part of labelled images.

    Without a test part one sample in five of the training part is held out: the first fifth of
    `keras_ssl.random.permutation(N, 0, 0)`, so always the same samples, and a fair draw where the data are
    sorted.

    Raises:
        ValueError: if the lengths of images and labels differ, a part is empty or too small to be split, only
            one of `x_test` and `y_test` is given, or a label is -1 (unlabelled).
    """
    if (x_test is None) != (y_test is None):
        received = ", ".join(
            f"{name}={'None' if value is None else 'array'}" for name, value in (("x_test", x_test), ("y_test", y_test))
        )
        raise ValueError(f"Arguments `x_test` and `y_test` go together. Received: {received}")
    images, labels = _checked("train", x_train, y_train)
    if x_test is not None:
        return images, labels, *_checked("test", x_test, y_test)
    if len(images) < _HELD_OUT:
        raise ValueError(
            f"Argument `x_train` must hold at least {_HELD_OUT} samples where no `x_test` is given. "
            f"Received: len(x_train)={len(images)}"
        )
    order = permutation(len(images), seed=0, epoch=0)
    test, train = np.sort(order[: len(order) // _HELD_OUT]), np.sort(order[len(order) // _HELD_OUT :])
    return images[train], labels[train], images[test], labels[test]


def _checked(part: str, x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    images, labels = as_images(f"x_{part}", x), np.asarray(y)
    if labels.shape != (len(images),):
        raise ValueError(
            f"Argument `y_{part}` must hold one label for each image of `x_{part}`. Received: "
            f"len(x_{part})={len(images)}, y_{part}.shape={labels.shape}"
        )
    unlabelled = int(np.sum(labels == -1)) if labels.dtype.kind == "i" else 0
    if unlabelled:
        raise ValueError(
            f"Argument `y_{part}` must hold no -1 (unlabelled): pass the labelled samples only. "
            f"Received: y_{part} with {unlabelled} of {len(labels)} unlabelled"
        )
    return images, labels
