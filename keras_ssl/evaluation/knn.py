"""Weighted nearest neighbors in feature space: what the features know without any training on labels."""

import numpy as np

from keras_ssl.evaluation.validation import as_features, l2_normalized, labeled_only, same_width
from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor

_BLOCK = 2**22  # similarities in memory at a time
_ROWS = 256  # queries worked off together


def knn_predict(
    train_features: Tensor, train_labels: Tensor, features: Tensor, k: int = 20, temperature: float = 0.07
) -> np.ndarray:
    r"""Classifies features by a weighted vote of their nearest neighbors.

    The neighbors of a feature are the `k` training features of highest cosine similarity `s`; each votes for
    its class with weight

    .. math:: \exp(s / \tau)

    and the class with the largest sum wins. The search is exact. Of equally similar neighbors the one that
    comes first in the training set is taken, and of classes with equal votes the one that sorts first. A
    feature of zeros has similarity 0 to everything. Queries are worked off in blocks, so that beside a
    normalized copy of the training features about 100 MB are in use, whatever the number of queries.

    Args:
        train_features: `[N, D]`, any floating type; computed in float32 (float64 stays float64).
        train_labels: integers or strings `[N]`; features of -1 (unlabeled) are no neighbors.
        features: the queries, `[M, D]`.
        k: number of neighbors, at most the labeled ones. Defaults to 20.
        temperature: of the weights. Defaults to 0.07.

    Returns:
        The predicted labels, `[M]`, of the type of `train_labels`.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), `k` is not in 1
            to N, or the temperature is not positive.

    Example:

    >>> knn_predict([[1.0, 0.0], [0.0, 1.0]], ["east", "north"], [[2.0, 0.1]], k=1).tolist()
    ['east']

    Reference:
        Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018; with
        these values of `k` and temperature: Caron et al., "Emerging Properties in Self-Supervised Vision
        Transformers", ICCV 2021.
    """
    classes, votes = _votes(train_features, train_labels, features, k, temperature)
    return classes[votes.argmax(axis=1)]


def knn_probabilities(
    train_features: Tensor, train_labels: Tensor, features: Tensor, k: int = 20, temperature: float = 0.07
) -> np.ndarray:
    """The shares of the vote of `knn_predict`: predicted distributions, for measures of calibration.

    Args:
        train_features: `[N, D]`, any floating type.
        train_labels: integers or strings `[N]`; features of -1 (unlabeled) are no neighbors.
        features: the queries, `[M, D]`.
        k: number of neighbors, at most the labeled ones. Defaults to 20.
        temperature: of the weights `exp(similarity / temperature)`. Defaults to 0.07.

    Returns:
        float64 `[M, K]`, whose columns are the classes of the training part, sorted (`numpy.unique`).

    Raises:
        ValueError: as `knn_predict`.

    Example:

    >>> knn_probabilities([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], ["a", "b", "b"], [[1.0, 0.0]], k=2).tolist()
    [[0.5, 0.5]]
    """
    _, votes = _votes(train_features, train_labels, features, k, temperature)
    return votes / votes.sum(axis=1, keepdims=True)


def _votes(
    train_features: Tensor, train_labels: Tensor, features: Tensor, k: int, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the sums of weights for each of them, `[M, K]`."""
    keys = as_features("train_features", train_features)
    keys, labels = labeled_only("train_features", keys, "train_labels", train_labels)
    queries = as_features("features", features)
    same_width("train_features", keys, "features", queries)
    check_neighbors(k, len(keys), temperature)

    classes, numbers = np.unique(labels, return_inverse=True)
    keys = l2_normalized(keys)
    best = []
    for start in range(0, len(queries), _ROWS):
        near, nearest = nearest_neighbors(l2_normalized(queries[start : start + _ROWS]), keys, k)
        best.append(_vote(near, numbers[nearest], len(classes), temperature))
    return classes, np.concatenate(best)


def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    features: Tensor,
    labels: Tensor,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """The fraction of features that `knn_predict` classifies rightly.

    Args:
        train_features: `[N, D]`.
        train_labels: integers or strings `[N]`.
        features: the queries, `[M, D]`; none of them should be among the training features.
        labels: their true labels, `[M]`. A class that the training set lacks counts as an error; queries of -1
            (unlabeled) are left out.
        k: number of neighbors, at most N. Defaults to 20.
        temperature: of the weights `exp(similarity / temperature)`. Defaults to 0.07.

    Returns:
        The top-1 accuracy, 0 to 1.

    Raises:
        ValueError: as `knn_predict`.

    Example:

    >>> knn_accuracy([[1.0, 0.0], [0.0, 1.0]], [0, 1], [[2.0, 0.1], [1.0, 0.9]], [0, 1], k=1)
    0.5
    """
    queries, truth = labeled_only("features", as_features("features", features), "labels", labels)
    return float(np.mean(knn_predict(train_features, train_labels, queries, k, temperature) == truth))


def check_neighbors(k: int, count: int, temperature: float) -> None:
    """Raises if `count` training features cannot give `k` neighbors, or the temperature is not positive."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= count:
        raise ValueError(
            f"Argument `k` must be an integer from 1 to the number of training features ({count}). Received: k={k!r}"
        )
    check_positive("temperature", temperature)


def nearest_neighbors(queries: np.ndarray, keys: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest products of each query `[B, D]` with the keys `[N, D]`, and the keys' numbers, both `[B, k]`.

    In descending order; of equal products the lowest numbers. Keys are taken a tile at a time, and of all tiles but
    the first only what exceeds the `k` found so far is looked at: of many keys that is next to nothing.
    """
    columns = max(k, _BLOCK // max(len(queries), _ROWS))
    products = queries @ keys[:columns].T
    near, nearest = _largest(products, nearest_columns(products, k), k)
    for start in range(columns, len(keys), columns):
        products = queries @ keys[start : start + columns].T
        rows, found = np.nonzero(products > near[:, -1:])
        if not len(rows):
            continue
        counts = np.bincount(rows, minlength=len(queries))
        place = k + np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        values = np.full((len(queries), k + counts.max()), -np.inf, products.dtype)
        numbers = np.zeros(values.shape, np.int64)
        values[:, :k], numbers[:, :k] = near, nearest
        values[rows, place], numbers[rows, place] = products[rows, found], start + found
        near, order = _largest(values, np.broadcast_to(np.arange(values.shape[1]), values.shape), k)
        nearest = np.take_along_axis(numbers, order, axis=1)
    return near, nearest


def _largest(values: np.ndarray, columns: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest of each row among some of its columns, in descending order, and where they are."""
    chosen = np.take_along_axis(values, columns, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(columns, order, axis=1)


def _vote(near: np.ndarray, classes: np.ndarray, count: int, temperature: float) -> np.ndarray:
    """The votes for each class, up to a factor: of the similarities of neighbors and their classes, both `[B, k]`."""
    near = near.astype(np.float64)
    # Dividing all weights of a row by the largest changes no winner and keeps low temperatures in range.
    weights = np.exp((near - near.max(axis=1, keepdims=True)) / temperature)
    votes = np.zeros((len(near), count))
    np.add.at(votes, (np.arange(len(near))[:, np.newaxis], classes), weights)
    return votes


def nearest_columns(similarity: np.ndarray, k: int) -> np.ndarray:
    """Columns of the `k` largest of each row, in ascending order; the lowest columns where values tie."""
    count = similarity.shape[1]
    nearest = np.argpartition(similarity, count - k, axis=1)[:, count - k :]
    threshold = np.take_along_axis(similarity, nearest, axis=1).min(axis=1, keepdims=True)
    # The partition picks any of several columns at the threshold; only such rows need a second look.
    for row in np.flatnonzero((similarity >= threshold).sum(axis=1) > k):
        above = np.flatnonzero(similarity[row] > threshold[row])
        level = np.flatnonzero(similarity[row] == threshold[row])
        nearest[row] = np.concatenate([above, level[: k - len(above)]])
    return np.sort(nearest, axis=1)
