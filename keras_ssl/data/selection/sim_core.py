"""A part of a large open set that resembles a small target set."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_budget, check_features, check_same_width, check_seed, unit_rows
from keras_ssl.data.selection.k_means import k_means
from keras_ssl.losses.numeric import check_integer

__all__ = ["SimCore"]


class SimCore:
    """Chooses the samples of an open set that are nearest to a target set, for self-supervised training on both.

    The target is replaced by `clusters` centers of k-means `c_k` of its unit features, scaled to unit length. Of the
    open set `U`, the facility location value `f(S) = sum_k max(u in S) <c_k, u>` is to be large. Round by round, each
    center takes its most similar sample that no earlier round took; two centers may take the same one in one round.
    With `m_r` the mean over centers of the similarity that round `r` reached, the choice ends before the first round
    `r > patience` with `m_r < stop_ratio * m_patience`, or when the budget is spent.

    Of a last round that exceeds the budget the most similar samples are kept (the authors' code draws some at random).

    Args:
        budget: the most samples to choose, from 1 to the size of the open set.
        clusters: number of centers; the target's own features are the centers where it has no more samples than
            that. Defaults to 100.
        stop_ratio: when to stop early, in [0, 1]; 0 never does. Defaults to 0.95.
        patience: the round that the ratio refers to, from 1. Defaults to 1.
        seed: of k-means, in [0, 2**32). Defaults to 0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> target = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> pool = np.array([[-1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, -1.0]])
    >>> SimCore(budget=4).select(pool, target).tolist()
    [1, 2]

    Reference: Kim, Bae and Yun, "Coreset Sampling from Open-Set for Fine-Grained Self-Supervised Learning", CVPR 2023.
    """

    def __init__(
        self, budget: int, clusters: int = 100, stop_ratio: float = 0.95, patience: int = 1, seed: int = 0
    ) -> None:
        self.budget = check_integer("budget", budget, 1)
        self.clusters = check_integer("clusters", clusters, 1)
        self.stop_ratio = check_number("stop_ratio", stop_ratio, 0.0, 1.0)
        self.patience = check_integer("patience", patience, 1)
        self.seed = check_seed(seed)

    def centers(self, target: Any) -> np.ndarray:
        """Unit centers of the target's features.

        Args:
            target: `[M, D]`.

        Returns:
            Float64 `[min(clusters, M), D]`.
        """
        rows = unit_rows(check_features("target", target))
        return rows if self.clusters >= len(rows) else unit_rows(k_means(rows, self.clusters, self.seed))

    def select(self, features: Any, target: Any) -> np.ndarray:
        """Chooses from the open set.

        Args:
            features: of the open set, `[N, D]`, by an encoder that was trained on the target set.
            target: features of the target set, `[M, D]`.

        Returns:
            Int64 indices into `features`, each once, at most `budget`: round by round, the most similar first, equal
            ones by their index.

        Raises:
            ValueError: if features hold NaN or infinity, are empty or do not fit, or the budget exceeds the open set.
        """
        pool, centers = check_features("features", features), self.centers(target)
        check_same_width("features", pool, "target", centers)
        budget = check_budget(self.budget, len(pool))
        similarity = centers @ unit_rows(pool).T
        orders = np.argsort(-similarity, axis=1, kind="stable")
        places = np.zeros(len(centers), "int64")
        taken = np.zeros(len(pool), bool)
        chosen: list[int] = []
        threshold, number = -np.inf, 0
        while len(chosen) < budget:
            for center, order in enumerate(orders):
                while taken[order[places[center]]]:
                    places[center] += 1
            candidates = orders[np.arange(len(centers)), places]
            reached = similarity[np.arange(len(centers)), candidates]
            number += 1
            if number > self.patience and reached.mean() < threshold:
                break
            if number == self.patience and self.stop_ratio > 0:
                threshold = self.stop_ratio * reached.mean()
            best = {int(index): -np.inf for index in candidates}
            for index, value in zip(candidates.tolist(), reached.tolist(), strict=True):
                best[index] = max(best[index], value)
            ranked = sorted(best, key=lambda index: (-best[index], index))[: budget - len(chosen)]
            taken[ranked] = True
            chosen += ranked
        return np.array(chosen, "int64")

    @staticmethod
    def facility_location(features: Any, target: Any) -> float:
        """The value that is to be large: the sum over the target of the highest cosine similarity to a sample.

        Args:
            features: of the chosen samples, `[S, D]`.
            target: features or centers of the target set, `[M, D]`.
        """
        chosen, aims = check_features("features", features), check_features("target", target)
        check_same_width("features", chosen, "target", aims)
        return float((unit_rows(aims) @ unit_rows(chosen).T).max(axis=1).sum())
