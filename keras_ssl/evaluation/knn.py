"""Weighted nearest neighbors in feature space: what the features know without any training on labels."""

import numpy as np

from keras_ssl.evaluation.find_neighbors import find_neighbors
from keras_ssl.evaluation.validation import as_features, labeled_only, same_width
from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor

_MEMORY = 2**28  # bytes for blocks of features
_ROWS = 256  # queries whose votes are counted together


def knn_predict(
    train_features: Tensor, train_labels: Tensor, features: Tensor, k: int = 20, temperature: float = 0.07
) -> np.ndarray:
    r"""Classifies features by a weighted vote of their nearest neighbors.

    The neighbors of a feature are the `k` training features of highest cosine similarity `s`; each votes for
    its class with weight

    .. math:: \exp(s / \tau)

    and the class with the largest sum wins. The search is exact. Of equally similar neighbors the one that
    comes first in the training set is taken, and of classes with equal votes the one that sorts first. A
    feature of zeros has similarity 0 to everything. Features are worked off in blocks, so that beside the
    arguments about 300 MB at most are in use, and the votes.

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
    near, nearest = find_neighbors(queries, keys, k, _MEMORY)
    parts = (slice(start, start + _ROWS) for start in range(0, len(queries), _ROWS))
    return classes, np.concatenate([_vote(near[p], numbers[nearest[p]], len(classes), temperature) for p in parts])


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


def _vote(near: np.ndarray, classes: np.ndarray, count: int, temperature: float) -> np.ndarray:
    """The votes for each class, up to a factor: of the similarities of neighbors and their classes, both `[B, k]`."""
    near = near.astype(np.float64)
    # Dividing all weights of a row by the largest changes no winner and keeps low temperatures in range.
    weights = np.exp((near - near.max(axis=1, keepdims=True)) / temperature)
    votes = np.zeros((len(near), count))
    np.add.at(votes, (np.arange(len(near))[:, np.newaxis], classes), weights)
    return votes
