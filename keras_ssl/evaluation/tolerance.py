"""Tolerance: how close features of one class are."""

import numpy as np

from keras_ssl.evaluation.class_moments import group_means
from keras_ssl.evaluation.validation import as_features, l2_normalized, labeled_only
from keras_ssl.typing import Tensor


def tolerance(features: Tensor, labels: Tensor) -> float:
    r"""The mean cosine similarity of pairs of different samples that share a class.

    .. math:: \operatorname{mean}_{n \neq m,\; y_n = y_m} \; \frac{z_n^\top z_m}{\lVert z_n \rVert \lVert z_m \rVert}

    It is 1 where each class has one direction (also after collapse: read it beside `uniformity`, which it
    trades against), about 0 for unrelated features. The floor is `-1 / (c - 1)` where all classes have c
    samples: no more vectors can point further apart. Rows of zeros have similarity 0 to everything. A class of
    one sample has no pair and says nothing.

    Computed from the classes' sums, so the time grows with N and not with the number of pairs.

    Args:
        features: `[N, D]`, any floating type; computed in float64.
        labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out.

    Returns:
        The mean similarity, -1 to 1.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), or no two samples
            share a class.

    Example:

    >>> tolerance([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -1.0]], ["a", "a", "b", "b"])
    0.0

    Reference:
        Wang and Liu, "Understanding the Behavior of Contrastive Loss", CVPR 2021.
    """
    array, names = labeled_only("features", as_features("features", features), "labels", labels)
    classes, numbers = np.unique(names, return_inverse=True)
    counts = np.bincount(numbers)
    pairs = int(np.sum(counts * (counts - 1)))
    if pairs == 0:
        raise ValueError(
            "Argument `labels` must give one class to two samples at least. "
            f"Received: labels with {len(classes)} classes for {len(array)} samples"
        )
    unit = l2_normalized(array.astype(np.float64))
    sums = group_means(unit, numbers, len(classes)) * counts[:, np.newaxis]
    # The square of a sum is the sum over all pairs, each sample with itself included.
    return float((np.sum(sums**2) - np.sum(unit**2)) / pairs)
