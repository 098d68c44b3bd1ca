"""Accuracy class by class, for data in which classes are of very different sizes."""

from typing import Any

import numpy as np

from keras_ssl.evaluation.validation import as_labels, labeled_only
from keras_ssl.typing import Tensor


def class_recall(labels: Tensor, predictions: Tensor) -> dict[Any, float]:
    """The fraction of each class that is predicted rightly.

    Args:
        labels: the true classes, integers or strings `[N]`. Samples of -1 (unlabeled) are left out.
        predictions: the predicted classes `[N]`, for instance of `knn_predict` or `linear_predict`.

    Returns:
        The recall of each class in `labels`, 0 to 1, by its label, in sorted order.

    Raises:
        ValueError: if lengths differ, or no sample has a label.

    Example:

    >>> class_recall(["cat", "cat", "dog", "dog"], ["cat", "cat", "dog", "cat"])
    {'cat': 1.0, 'dog': 0.5}
    """
    given = np.asarray(labels)
    predicted = as_labels("predictions", predictions, len(given) if given.ndim else 0)
    predicted, truth = labeled_only("predictions", predicted, "labels", given)
    classes, numbers = np.unique(truth, return_inverse=True)
    right = np.bincount(numbers, weights=predicted == truth) / np.bincount(numbers)
    return dict(zip(classes.tolist(), right.tolist(), strict=True))


def balanced_accuracy(labels: Tensor, predictions: Tensor) -> float:
    """The mean of `class_recall` over classes: what accuracy would be if all classes were of one size.

    A classifier that always says the same has `1 / C` of C classes, however rare the others are.

    Args:
        labels: the true classes, integers or strings `[N]`. Samples of -1 (unlabeled) are left out.
        predictions: the predicted classes `[N]`.

    Returns:
        The balanced accuracy, 0 to 1.

    Raises:
        ValueError: as `class_recall`.

    Example:

    >>> balanced_accuracy([0] * 98 + [1] * 2, [0] * 100)
    0.5
    """
    return float(np.mean(list(class_recall(labels, predictions).values())))
