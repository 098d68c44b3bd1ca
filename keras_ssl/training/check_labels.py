"""What objectives that learn from labels refuse before training, and what they warn of."""

from typing import Any

import keras
import numpy as np

from keras_ssl.messages import warn

_RARE = 0.01  # share of batches without a label that nobody need hear of


def check_some_labels(method: str, labels: Any, alternative: str, whole: bool) -> None:
    """Raises a `ValueError` where no sample has a label.

    Args:
        method: name of the objective.
        labels: class numbers `[N]`, -1 for an unlabeled sample; None where there are none.
        alternative: name of a self-supervised objective for unlabeled data.
        whole: whether these are all samples that there are, and not the first batch.
    """
    if labels is not None and (np.asarray(labels) >= 0).any():
        return
    received = "y=None" if labels is None else f"y=-1 for all {len(labels)} samples"
    if labels is None or whole:
        raise ValueError(
            f"{method} learns from labels, and no sample has one. For unlabeled data take a self-supervised objective, "
            f"such as `keras_ssl.{alternative}`. Received: {received}"
        )
    raise ValueError(
        f"The first batch has no labeled sample, and {method} learns from labels: `keras_ssl.data.from_streams` puts a "
        "fixed share of labeled samples into every batch. Where no sample of the data has a label, take a "
        f"self-supervised objective, such as `keras_ssl.{alternative}`. Received: {received}"
    )


def check_class_numbers(labels: Any, classes: int, named: str = "") -> None:
    """Raises a `ValueError` that names the first label that is no class number from 0 to `classes` - 1, nor -1.

    Args:
        labels: class numbers, of any backend and shape.
        classes: how many classes there are.
        named: how the user told `classes`, for the message, such as "`classes` - 1 = ". Defaults to "".
    """
    numbers = np.asarray(keras.ops.convert_to_numpy(labels))
    wrong = (numbers < -1) | (numbers >= classes)
    if wrong.any():
        sample = int(wrong.argmax())
        raise ValueError(
            f"Labels must be class numbers from 0 to {named}{classes - 1}, or -1 for an unlabeled sample. "
            f"Received: y={numbers.reshape(-1)[sample]} in sample {sample}"
        )


def check_all_classes(method: str, labels: Any, classes: int) -> None:
    """Raises a `ValueError` that names the classes of which no sample `[N]` has the label."""
    missing = np.setdiff1d(np.arange(classes), labels)
    if len(missing):
        named = ", ".join(str(number) for number in missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise ValueError(
            f"{method} must have a labeled sample of every class, or no pseudo-label will name it: leave the class out "
            f"of `classes`, or label some of its samples. Received: classes={classes}, no label of class {named}"
        )


def warn_of_batches_without_labels(method: str, labels: Any, batch_size: int) -> None:
    """Warns where random batches of samples with these labels, `[N]`, will often hold no labeled one."""
    labels = np.asarray(labels)
    count, labeled = len(labels), int((labels >= 0).sum())
    # Of so many samples drawn without one coming twice, none is labeled.
    share = float(np.prod(1.0 - batch_size / (count - np.arange(labeled)))) if batch_size <= count - labeled else 0.0
    if share > _RARE:
        warn(
            f"About {share:.0%} of the batches will have no labeled sample, for which {method} then has no supervised "
            "loss: `keras_ssl.data.from_streams` puts a fixed share of labeled samples into every batch. "
            f"Received: {labeled} labels of {count} samples, batch_size={batch_size}"
        )
