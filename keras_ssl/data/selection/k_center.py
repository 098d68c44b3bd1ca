"""Samples that leave no sample far from all of them."""

from typing import Any

import numpy as np

from keras_ssl.data.selection.checks import check_budget, check_features, check_indices
from keras_ssl.losses.numeric import check_integer

__all__ = ["KCenter"]


class KCenter:
    """Chooses samples so that the largest distance of any sample to the nearest chosen one is small.

    The greedy algorithm: each choice is the sample that is farthest, by Euclidean distance, from those chosen so far.
    Its radius is at most twice the least possible. The first choice, where nothing is labeled yet, is the sample
    nearest to the mean. Of equally far samples the first is taken, so the choice depends on no seed.

    Args:
        budget: number of samples to choose, from 1 to the number that are not labeled.

    Raises:
        ValueError: if `budget` is no positive integer.

    Example:

    >>> features = np.array([[0.0], [1.0], [4.0], [10.0]])
    >>> KCenter(2).select(features).tolist()
    [2, 3]

    Reference: Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018,
    https://arxiv.org/abs/1708.00489.
    """

    def __init__(self, budget: int) -> None:
        self.budget = check_integer("budget", budget, 1)

    def select(self, features: Any, labeled: Any = ()) -> np.ndarray:
        """Chooses.

        Args:
            features: `[N, D]`.
            labeled: numbers of samples that are labeled already: they count as chosen. Defaults to none.

        Returns:
            Int64 indices into `features`, in the order in which they were chosen.

        Raises:
            ValueError: if features hold NaN or infinity, or the budget exceeds the samples without a label.
        """
        rows = check_features("features", features)
        known = check_known(labeled, len(rows))
        budget = check_budget(self.budget, len(rows) - len(known))
        nearest = np.full(len(rows), np.inf)
        for number in known:
            nearest = np.minimum(nearest, _squares(rows, rows[number]))
        taken = np.zeros(len(rows), bool)
        taken[known] = True
        chosen: list[int] = []
        while len(chosen) < budget:
            first = not len(known) and not chosen
            value = -_squares(rows, rows.mean(axis=0)) if first else np.where(taken, -1.0, nearest)
            number = int(value.argmax())
            chosen.append(number)
            taken[number] = True
            nearest = np.minimum(nearest, _squares(rows, rows[number]))
        return np.array(chosen, "int64")

    @staticmethod
    def radius(features: Any, chosen: Any) -> float:
        """The value that is to be small: the largest distance of a sample to the nearest chosen one.

        Args:
            features: `[N, D]`.
            chosen: numbers of the chosen samples.
        """
        rows = check_features("features", features)
        centers = rows[check_indices("chosen", chosen)]
        return float(np.sqrt(np.min([_squares(rows, center) for center in centers], axis=0).max()))


def check_known(labeled: Any, count: int) -> np.ndarray:
    """Numbers of labeled samples, or an error if they are none of `count`."""
    if not len(labeled):
        return np.zeros(0, "int64")
    known = check_indices("labeled", labeled)
    if known.max() >= count:
        raise ValueError(f"`labeled` must be numbers below {count}. Received: labeled=array with {known.max()}")
    return known


def _squares(rows: np.ndarray, center: np.ndarray) -> np.ndarray:
    return np.square(rows - center).sum(axis=1)
