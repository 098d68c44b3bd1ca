"""The most typical sample of each cluster: what to label first, where there are few labels."""

from typing import Any

import numpy as np

from keras_ssl.data.selection.checks import check_budget, check_features, check_seed, unit_rows
from keras_ssl.data.selection.k_center import check_known
from keras_ssl.data.selection.k_means import k_means
from keras_ssl.losses.numeric import check_integer

__all__ = ["Typicality"]


class Typicality:
    """Chooses from as many clusters as there are labels, those given and those to give, the most typical samples.

    The unit features are clustered by k-means. Clusters that hold a labeled sample are covered. Of the others the
    largest come first, and of each the most typical sample is chosen: the one with the highest

        typicality(x) = 1 / mean distance of x to its `neighbors` nearest samples in the cluster.

    Where all clusters are covered before the budget is spent, the next typical samples follow, from the cluster with
    the fewest labels, the larger one of equals.

    Args:
        budget: number of samples to choose, from 1 to the number that are not labeled.
        neighbors: of a sample, at most as many as its cluster has. Defaults to 20, the paper's.
        max_clusters: the most clusters. Defaults to 500, the paper's.
        seed: of k-means, in [0, 2**32). Defaults to 0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> angles = np.array([0.0, 0.1, 0.2, 3.0, 3.1, 3.2, 3.3])
    >>> features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> Typicality(2).select(features).tolist()  # the middle of the larger cluster first
    [4, 1]

    Reference: Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and Low
    Budgets", ICML 2022, https://arxiv.org/abs/2202.02794.
    """

    def __init__(self, budget: int, neighbors: int = 20, max_clusters: int = 500, seed: int = 0) -> None:
        self.budget = check_integer("budget", budget, 1)
        self.neighbors = check_integer("neighbors", neighbors, 1)
        self.max_clusters = check_integer("max_clusters", max_clusters, 1)
        self.seed = check_seed(seed)

    def select(self, features: Any, labeled: Any = ()) -> np.ndarray:
        """Chooses.

        Args:
            features: `[N, D]`.
            labeled: numbers of samples that are labeled already. Defaults to none.

        Returns:
            Int64 indices into `features`, in the order in which they were chosen.

        Raises:
            ValueError: if features hold NaN or infinity, or the budget exceeds the samples without a label.
        """
        rows = unit_rows(check_features("features", features))
        known = check_known(labeled, len(rows))
        budget = check_budget(self.budget, len(rows) - len(known))
        clusters = min(self.max_clusters, len(known) + budget, len(rows))
        centers = k_means(rows, clusters, self.seed)
        squares = np.square(centers).sum(axis=1) - 2 * rows @ centers.T
        assigned = squares.argmin(axis=1)
        sizes = np.bincount(assigned, minlength=clusters)
        covered = np.bincount(assigned[known], minlength=clusters)
        taken = np.zeros(len(rows), bool)
        taken[known] = True
        ranked = [self._ranked(rows, np.flatnonzero(assigned == number)) for number in range(clusters)]
        left = [[number for number in order if not taken[number]] for order in ranked]
        chosen: list[int] = []
        while len(chosen) < budget:
            open_clusters = [number for number in range(clusters) if left[number]]
            best = min(open_clusters, key=lambda number: (covered[number], -sizes[number], number))
            chosen.append(left[best].pop(0))
            covered[best] += 1
        return np.array(chosen, "int64")

    def _ranked(self, rows: np.ndarray, members: np.ndarray) -> list[int]:
        """The members of a cluster, the most typical first."""
        if len(members) < 2:
            return members.tolist()
        values = typicality(rows[members], self.neighbors)
        return members[np.argsort(-values, kind="stable")].tolist()


def typicality(features: np.ndarray, neighbors: int) -> np.ndarray:
    """One over the mean distance to the nearest others: float64 `[N]` of `[N, D]`; infinite where all are copies."""
    count = min(neighbors, len(features) - 1)
    values = np.empty(len(features))
    for number, row in enumerate(features):
        others = np.delete(np.square(features - row).sum(axis=1), number)
        values[number] = np.sqrt(np.partition(others, count - 1)[:count]).mean()
    with np.errstate(divide="ignore"):
        return 1.0 / values
