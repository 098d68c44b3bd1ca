"""The adjusted Rand index of segmentations."""

import numpy as np

from keras_ssl.evaluation.dense.mean_iou import as_label_maps
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["adjusted_rand_index"]


def adjusted_rand_index(labels: Tensor, true_labels: Tensor, background: int | None = None) -> float:
    r"""How well two partitions of the pixels agree, whatever their parts are called; the mean over images.

    With `n_ij` pixels in part i of one and part j of the other, sums `a_i` and `b_j`, and `C(n) = n (n - 1) / 2`,

    .. math:: \frac{\sum_{ij} C(n_{ij}) - E}{\frac{1}{2} (\sum_i C(a_i) + \sum_j C(b_j)) - E}, \qquad
        E = \frac{\sum_i C(a_i) \sum_j C(b_j)}{C(n)}

    1 for equal partitions, 0 on average for unrelated ones, and below 0 for worse. Two partitions that both have a
    single part, or both one part for each pixel, are equal: 1.

    Args:
        labels: numbers of the parts, integers `[N, ...]`.
        true_labels: integers of the same shape; pixels of -1 (not labeled) count nowhere.
        background: a true label whose pixels count nowhere: with 0, the figure of the foreground alone that the
            literature on slots reports. Defaults to None: all pixels count.

    Returns:
        The mean over the images that have pixels that count.

    Raises:
        ValueError: if shapes differ, the labels are no integers, or no pixel counts.

    Example:

    >>> adjusted_rand_index([[7, 7, 3, 3]], [[0, 0, 1, 1]])
    1.0

    Reference:
        Hubert & Arabie, "Comparing partitions", Journal of Classification 1985.
    """
    found, true = as_label_maps("labels", labels, "true_labels", true_labels)
    if found.ndim < 2:
        raise ValueError(f"`labels` must be [N, ...]. Received: labels.shape={found.shape}")
    if background is not None:
        background = check_integer("background", background, 0)
    scores = []
    for part, truth in zip(found.reshape(len(found), -1), true.reshape(len(true), -1), strict=True):
        counts = truth != -1
        if background is not None:
            counts &= truth != background
        if counts.any():
            scores.append(_index(part[counts], truth[counts]))
    if not scores:
        raise ValueError(f"`true_labels` must hold pixels that count. Received: background={background}")
    return float(np.mean(scores))


def _index(labels: np.ndarray, truth: np.ndarray) -> float:
    _, rows = np.unique(labels, return_inverse=True)
    _, columns = np.unique(truth, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    together, one, two, all_pairs = (
        float((n * (n - 1) // 2).sum()) for n in (table, table.sum(axis=1), table.sum(axis=0), table.sum(keepdims=True))
    )
    expected = one * two / all_pairs if all_pairs else 0.0
    most = (one + two) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)
