"""Few-shot classification of many queries at once, as clustering with a few labels."""

from typing import Self

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.find_neighbors import nearest_columns
from keras_ssl.evaluation.spectrum import blocks
from keras_ssl.evaluation.validation import as_features, l2_normalized, labeled_only, same_width
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


class TransductiveFewShot:
    r"""Classifies queries together: prototypes, smoothness over neighbors, and the labels as constraints.

    Each query i has an assignment `s_i` to the C classes (a probability vector; labelled samples keep their label),
    each class a prototype `m_c`. What is minimized in turn over assignments and prototypes is

    .. math::

        \sum_{ic} s_{ic} \lVert x_i - m_c \rVert^2 - \frac{\lambda}{2} \sum_{ij} w_{ij} s_i^\top s_j
        + \tau \sum_{ic} s_{ic} \log s_{ic}.

    The second term is concave and replaced by its tangent, so that every query has its own update,

    .. math:: s_{ic} \propto \exp\Bigl(-\frac1\tau \bigl(
        \lVert x_i - m_c \rVert^2 - \lambda \textstyle\sum_j w_{ij} s_{jc} \bigr)\Bigr),

    and prototypes become the means of what is assigned to them. No step raises the objective. With `lambda` = 0 and
    `tau` = 0 (one-hot assignments) it is k-means that starts at the means of the labelled samples.

    The affinity `w_ij` is the fraction of neighbors that i and j share, each being its own neighbor: sparse,
    symmetric, and positive semi-definite, as the bound requires. That affinity and the temperature (the paper's update
    has 1) are ours.

    Args:
        regularization: `lambda`, the weight of smoothness. Defaults to 0.5.
        neighbors: neighbors of a sample by Euclidean distance, beside itself; all others where there are fewer.
            Defaults to 3.
        temperature: `tau`; 0 for one-hot assignments. Defaults to 1.
        normalize: whether to L2-normalize features, which makes `regularization` and `temperature` mean the same for
            all encoders. Defaults to `True`.
        max_iter: most rounds; fewer where nothing changes any more. Defaults to 50.

    Attributes (after `fit`):
        classes_: the C labels, sorted.

    Attributes (after `predict`):
        objectives_: the objective at the start and after each round, never rising.
        prototypes_: `[C, D]`, float64.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> probe = TransductiveFewShot(normalize=False).fit([[0.0], [4.0]], ["low", "high"])
    >>> probe.predict([[0.2], [1.9], [1.0], [1.5], [4.2], [3.9]]).tolist()
    ['low', 'low', 'low', 'low', 'high', 'high']

    Reference:
        Ziko et al., "Transductive Few-Shot Learning: Clustering is All You Need?", 2021.
    """

    def __init__(
        self,
        regularization: float = 0.5,
        neighbors: int = 3,
        temperature: float = 1.0,
        normalize: bool = True,
        max_iter: int = 50,
    ) -> None:
        check_number("regularization", regularization, 0.0)
        check_number("temperature", temperature, 0.0)
        self.regularization = regularization
        self.neighbors = check_integer("neighbors", neighbors, 1)
        self.temperature = temperature
        self.normalize = normalize
        self.max_iter = check_integer("max_iter", max_iter, 1)

    def fit(self, features: Tensor, labels: Tensor) -> Self:
        """Takes the labelled features `[N, D]` and their labels `[N]` (-1 is left out). Returns the classifier."""
        support, names = labeled_only("features", as_features("features", features), "labels", labels)
        self.classes_, numbers = np.unique(names, return_inverse=True)
        self._hot = np.eye(len(self.classes_))[numbers]
        self._support = support
        return self

    def predict(self, features: Tensor) -> np.ndarray:
        """The labels `[M]` of queries `[M, D]`, each of which bears on the others.

        Raises:
            ValueError: if nothing was fitted, dimensions differ, or a row holds NaN or infinity (its number is named).
        """
        queries = as_features("features", features)
        if not hasattr(self, "classes_"):
            raise ValueError("TransductiveFewShot has no labels yet: call `fit` first. Received: no `classes_`")
        same_width("features", queries, "labelled features", self._support)
        points = np.concatenate([self._support, queries]).astype(np.float64)
        if self.normalize:
            points = l2_normalized(points)
        neighbors = self._neighbors(points)
        labelled = len(self._support)

        prototypes = self._means(points[:labelled], self._hot)
        cost = _square_distances(points, prototypes)
        assigned = np.concatenate([self._hot, self._assign(cost[labelled:])])
        self.objectives_ = [self._objective(cost, assigned, neighbors)]
        for _ in range(self.max_iter):
            smooth = self.regularization * _propagate(assigned, neighbors)
            assigned = np.concatenate([self._hot, self._assign((cost - smooth)[labelled:])])
            prototypes = self._means(points, assigned)
            cost = _square_distances(points, prototypes)
            self.objectives_.append(self._objective(cost, assigned, neighbors))
            if self.objectives_[-2] - self.objectives_[-1] <= 1e-10 * abs(self.objectives_[-2]):
                break
        self.prototypes_ = prototypes
        return self.classes_[assigned[labelled:].argmax(axis=1)]

    def score(self, features: Tensor, labels: Tensor) -> float:
        """The fraction of queries `[M, D]` that `predict`, of all together, gives their label `[M]`, 0 to 1."""
        array, truth = labeled_only("features", as_features("features", features), "labels", labels)
        return float(np.mean(self.predict(array) == truth))

    def _assign(self, cost: np.ndarray) -> np.ndarray:
        if self.temperature == 0:
            return np.eye(cost.shape[1])[cost.argmin(axis=1)]
        weights = np.exp((cost.min(axis=1, keepdims=True) - cost) / self.temperature)
        return weights / weights.sum(axis=1, keepdims=True)

    def _objective(self, cost: np.ndarray, assigned: np.ndarray, neighbors: np.ndarray) -> float:
        logs = np.log(np.where(assigned > 0, assigned, 1))
        smooth = self.regularization / 2 * np.sum(assigned * _propagate(assigned, neighbors))
        return float(np.sum(assigned * cost) - smooth + self.temperature * np.sum(assigned * logs))

    def _neighbors(self, points: np.ndarray) -> np.ndarray:
        """Each point and its nearest others, `[P, 1 + neighbors]`."""
        count = min(self.neighbors + 1, len(points))
        found, start = [], 0
        for block in blocks(points, len(points)):
            closeness = -_square_distances(block, points)
            closeness[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
            found.append(nearest_columns(closeness, count))
            start += len(block)
        return np.concatenate(found)

    @staticmethod
    def _means(points: np.ndarray, assigned: np.ndarray) -> np.ndarray:
        return assigned.T @ points / assigned.sum(axis=0)[:, np.newaxis]


def _square_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    square = np.sum(points**2, axis=1)[:, np.newaxis] + np.sum(others**2, axis=1)
    return np.maximum(square - 2 * points @ others.T, 0)


def _propagate(assigned: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """`W S` for the shared fraction W of neighbors: to the neighbors, and back from them."""
    sent = np.zeros_like(assigned)
    np.add.at(sent, neighbors.ravel(), np.repeat(assigned, neighbors.shape[1], axis=0))
    return sent[neighbors].mean(axis=1)
