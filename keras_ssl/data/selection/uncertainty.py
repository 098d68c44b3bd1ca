"""The samples of whose class a classifier is least sure."""

from typing import Any, Literal

import numpy as np

from keras_ssl.data.selection.checks import check_budget, check_features
from keras_ssl.data.selection.k_center import check_known
from keras_ssl.losses.numeric import check_integer

__all__ = ["Uncertainty"]


class Uncertainty:
    """Chooses the samples with the most uncertain predictions.

    Of a distribution p over classes, the uncertainty is

    - `"margin"`: `1 - (p_1 - p_2)`, of the two largest probabilities;
    - `"entropy"`: `-sum_k p_k log p_k`;
    - `"least_confident"`: `1 - p_1`.

    Args:
        budget: number of samples to choose, from 1 to the number that are not labeled.
        measure: `"margin"` (default), `"entropy"` or `"least_confident"`. With two classes all give one order.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> shares = np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]])
    >>> Uncertainty(2).select(shares).tolist()
    [1, 2]

    Reference: Settles, "Active Learning Literature Survey", 2009, section 3.1.
    """

    def __init__(self, budget: int, measure: Literal["margin", "entropy", "least_confident"] = "margin") -> None:
        self.budget = check_integer("budget", budget, 1)
        if measure not in ("margin", "entropy", "least_confident"):
            raise ValueError(
                f"`measure` must be 'margin', 'entropy' or 'least_confident'. Received: measure={measure!r}"
            )
        self.measure = measure

    def uncertainty(self, probabilities: Any) -> np.ndarray:
        """The uncertainty of each sample.

        Args:
            probabilities: `[N, K]` of at least two classes, such as `evaluation.linear_probabilities` gives: rows that
                are not negative and sum to 1.

        Returns:
            Float64 `[N]`.

        Raises:
            ValueError: if rows are no distributions.
        """
        shares = check_features("probabilities", probabilities)
        if shares.shape[1] < 2:
            raise ValueError(f"`probabilities` must be of two classes or more. Received: shape {shares.shape}")
        wrong = (shares < 0).any(axis=1) | (np.abs(shares.sum(axis=1) - 1.0) > 1e-3)
        if wrong.any():
            raise ValueError(
                "`probabilities` must hold rows that are not negative and sum to 1. "
                f"Received: probabilities with row {int(wrong.argmax())} = {shares[wrong.argmax()].tolist()}"
            )
        if self.measure == "entropy":
            return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
        ordered = np.sort(shares, axis=1)
        return 1.0 - ordered[:, -1] + (ordered[:, -2] if self.measure == "margin" else 0.0)

    def select(self, probabilities: Any, labeled: Any = ()) -> np.ndarray:
        """Chooses.

        Args:
            probabilities: as for `uncertainty`.
            labeled: numbers of samples that are labeled already: they are not chosen. Defaults to none.

        Returns:
            Int64 indices, the most uncertain first, equal ones by their index.

        Raises:
            ValueError: if rows are no distributions, or the budget exceeds the samples without a label.
        """
        values = self.uncertainty(probabilities)
        known = check_known(labeled, len(values))
        budget = check_budget(self.budget, len(values) - len(known))
        values[known] = -np.inf
        return np.argsort(-values, kind="stable")[:budget].astype("int64")
