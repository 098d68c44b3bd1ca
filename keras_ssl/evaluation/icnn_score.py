"""ICNN: how well classes are separated, judged by nearest neighbors."""

import numpy as np

from keras_ssl.evaluation.spectrum import in_range
from keras_ssl.evaluation.validation import as_features, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["icnn_score"]


def icnn_score(features: Tensor, labels: Tensor, neighbors: int = 4) -> float:
    r"""The score of inter- and intra-class nearest neighbors, 0 to 1: the higher, the better separated.

    The mean of two numbers: the share of the k nearest neighbors that have the class of their sample; and the mean of
    1 minus the distances to neighbors of the own class, relative to the nearest sample of another class, and of the
    distances to neighbors of other classes, relative to the largest of these. `keras_ssl.losses.icnn_loss` has the
    formula, and is its negative logarithm. It is unchanged when the features are rotated, moved or scaled.

    Args:
        features: `[N, D]`, any floating type, taken as they are; computed in float64. All pairs are in memory.
        labels: integers or strings `[N]` of at least two classes. Samples of -1 (unlabeled) are left out.
        neighbors: k, from 1 to N - 1. Defaults to 4.

    Returns:
        The score.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity, there is one class only, or `neighbors` is out
            of range.

    Example:

    >>> icnn_score([[0.0], [0.0], [4.0], [4.0]], ["a", "a", "b", "b"], neighbors=1)
    1.0

    Reference:
        Mendez-Ruiz et al., "SuSana Distancia is all you need: Enforcing class separability in metric learning via two
        novel distance-based loss functions for few-shot image classification", 2023.
    """
    array, names = labeled_only("features", as_features("features", features, 2), "labels", labels)
    numbers = np.unique(names, return_inverse=True)[1]
    if len(np.unique(numbers)) < 2:
        raise ValueError("`labels` must hold at least two classes. Received: labels of one class")
    k = check_integer("neighbors", neighbors, 1, len(array) - 1)
    z = in_range(array).astype(np.float64)
    distances = np.sqrt(np.stack([np.sum((z - row) ** 2, axis=1) for row in z]))
    distances /= distances.max() or 1.0  # the least distances below are shares of it, or the scale would count
    same = numbers[:, np.newaxis] == numbers
    ranked = distances.copy()
    np.fill_diagonal(ranked, np.inf)
    places = np.argsort(ranked, axis=1, kind="stable")[:, :k]
    near, own = np.take_along_axis(distances, places, 1), np.take_along_axis(same, places, 1)
    ratios = near / np.maximum(np.where(same, np.inf, distances).min(axis=1), 1e-7)[:, np.newaxis]
    ratios /= np.maximum(ratios.max(axis=1, keepdims=True), 1.0)
    within = [row[mask].mean() for row, mask in zip(ratios, own, strict=True) if mask.any()]
    between = [row[~mask].mean() for row, mask in zip(near, own, strict=True) if not mask.all()]
    a = np.mean(within) if within else 1.0
    b = np.mean(between) / max(near[~own].max(), 1e-7) if between else 1.0
    return float(0.5 * (0.5 * (1.0 - a + b) + own.mean()))
