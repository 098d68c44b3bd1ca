"""How good the labels are that a classifier gives itself, while it trains."""

import math
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.data.one_label_each import one_label_each
from keras_ssl.evaluation.validation import as_images
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.labels.semi_supervised import SemiSupervised
from keras_ssl.typing import Logs, Tensor

__all__ = ["PseudoLabelMonitor"]

_CLASS = re.compile(r"pseudo_label_(count|precision)_(\d+)")


class PseudoLabelMonitor(keras.callbacks.Callback):
    """Logs how many pseudo-labels a semi-supervised classifier uses, and how many of them are right.

    The labels given here are for evaluation only: training never sees them. At the end of epochs the model makes
    pseudo-labels of the samples by the rule of its loss (see `model.pseudo_labels`), and the epoch's logs get

    - `pseudo_label_share`: the share of the samples whose pseudo-label is used, or the mean weight of one;
    - `pseudo_label_precision`: the share of right ones among those that are used, weighted likewise; NaN where none is;
    - `pseudo_label_largest`: the share of the class that most of them name; NaN where none is used;
    - with `per_class`, for each class c that the model has `pseudo_label_count_c`, how many of the used pseudo-labels
      name it (a sum of weights), and `pseudo_label_precision_c`, the share of right ones among these.

    `TensorBoard` shows all of them as curves, and the classes as bars; so does `keras_ssl.report.html_report`. Put the
    callback before those that read the logs. Training is not disturbed. A method that uses all samples without choosing
    (`MeanTeacher`, `AdaWAC`) has a share of 1.

    Args:
        x: samples that training has without labels, or others of their kind, `[N, ...]`, in the type that the model
            expects (uint8).
        y: their true classes, integers `[N]`; samples of -1 are left out.
        labeled: labeled samples and their classes, `(x, y)`, for a method that compares unlabeled samples with the
            labeled ones of their batch (`AdaMatch`): half of every batch is taken from them. Defaults to None.
        every: epochs from one look to the next; the last epoch always has one. Defaults to 1.
        batch_size: samples in a batch. Defaults to 256.
        per_class: whether the logs have the numbers of each class. Defaults to True; with very many classes, switch it
            off, and read `counts` and `right`.

    Attributes:
        counts: how many used pseudo-labels name each class, float64 `[classes]`, at the last look; None before.
        right: how many of these are right, float64 `[classes]`.

    Raises:
        ValueError: if lengths differ, no sample has a label, or an argument is out of range; from `fit`, if the model
            is no semi-supervised classifier, a label is none of its classes, or it needs `labeled`.

    Example:

    ```python
    monitor = keras_ssl.callbacks.PseudoLabelMonitor(more_images, hidden_labels)
    model.fit(data, epochs=10, callbacks=[monitor])  # of `keras_ssl.data.from_streams`
    monitor.right / monitor.counts  # the precision of each class
    ```
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        labeled: tuple[Tensor, Tensor] | None = None,
        every: int = 1,
        batch_size: int = 256,
        per_class: bool = True,
    ) -> None:
        super().__init__()
        self.x, self.y = _labeled_part("x", x, "y", y)
        self.labeled = None if labeled is None else _labeled_part("labeled[0]", labeled[0], "labeled[1]", labeled[1])
        self.every = check_integer("every", every, 1)
        self.batch_size = check_integer("batch_size", batch_size, 4)
        self.per_class = bool(per_class)
        self.counts: np.ndarray | None = None
        self.right: np.ndarray | None = None
        self._label: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = self.model
        if not isinstance(model, SemiSupervised):
            raise ValueError(
                "`PseudoLabelMonitor` looks at semi-supervised classifiers of this library. "
                f"Received: a model of type {type(model).__name__}"
            )
        for name, labels in (("y", self.y), ("labeled[1]", None if self.labeled is None else self.labeled[1])):
            if labels is not None and labels.max() >= model.classes:
                raise ValueError(
                    f"`{name}` must hold class numbers below `classes` = {model.classes} of the model. "
                    f"Received: {name}={labels.max()}"
                )
        if model.compares_with_labeled and self.labeled is None:
            raise ValueError(
                f"{type(model).__name__} compares unlabeled samples with the labeled ones of their batch: give some as "
                "`labeled`. Received: labeled=None"
            )
        self._label = model.pseudo_labeler(self.batch_size)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        last = epoch + 1 == (self.params or {}).get("epochs")
        if logs is None or not ((epoch + 1) % self.every == 0 or last):
            return
        count = self.model.classes  # asking for the model brings its weights up to date on JAX
        classes, used = self._pseudo_labels()
        self.counts = np.bincount(classes, used, count)
        self.right = np.bincount(classes, used * (classes == self.y), count)
        whole = self.counts.sum()
        logs["pseudo_label_share"] = float(np.mean(used))
        logs["pseudo_label_precision"] = float(self.right.sum() / whole) if whole else math.nan
        logs["pseudo_label_largest"] = float(self.counts.max() / whole) if whole else math.nan
        if self.per_class:
            for number, (named, right) in enumerate(zip(self.counts, self.right, strict=True)):
                logs[f"pseudo_label_count_{number}"] = float(named)
                logs[f"pseudo_label_precision_{number}"] = float(right / named) if named else math.nan

    def _pseudo_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """The pseudo-label and the weight of each of the samples."""
        if self.labeled is None:
            return self._label(self.x)
        # Batches of half labeled samples, half others; of the last one, filled up from the start, only what is new.
        half, count = self.batch_size // 2, len(self.x)
        images, labels = self.labeled
        found = []
        for start in range(0, count, half):
            rows = np.arange(start, start + half) % count
            known = np.arange(start, start + half) % len(images)
            batch = np.concatenate([images[known], self.x[rows]])
            classes, used = self._label(batch, np.concatenate([labels[known], np.full(half, -1)]))
            found.append((classes[half:], used[half:]))
        classes, used = (np.concatenate(parts)[:count] for parts in zip(*found, strict=True))
        return classes, used


def class_numbers(logs: Mapping[str, Any]) -> dict[str, dict[int, Any]]:
    """What `PseudoLabelMonitor` has logged of each class: "count" and "precision", by class number.

    >>> class_numbers({"loss": 1.0, "pseudo_label_count_3": 7.0})
    {'count': {3: 7.0}}
    """
    found: dict[str, dict[int, Any]] = {}
    for name, value in logs.items():
        match = _CLASS.fullmatch(name)
        if match:
            found.setdefault(match[1], {})[int(match[2])] = value
    return found


def _labeled_part(x_name: str, x: Tensor, y_name: str, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Images and their class numbers, without the samples that have none."""
    images, labels = as_images(x_name, x), one_label_each(y_name, np.asarray(y))
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or (labels < -1).any():
        raise ValueError(
            f"`{y_name}` must hold a class number for each sample of `{x_name}`, -1 where it is not known. "
            f"Received: len({x_name})={len(images)}, {y_name} of shape {labels.shape} and type {labels.dtype}"
        )
    known = labels >= 0
    if known.sum() < 2:
        raise ValueError(f"`{y_name}` must have two labels or more. Received: {y_name} with {known.sum()} labels")
    return images[known], labels[known].astype("int64")
