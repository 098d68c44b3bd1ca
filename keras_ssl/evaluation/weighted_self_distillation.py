"""Repeated self-distillation of any model that can be fitted, with the labels mixed in."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.self_distillation import optimal_distillation_weight
from keras_ssl.losses.numeric import check_integer

__all__ = ["WeightedSelfDistillation"]

Predict = Callable[[Any], np.ndarray]


class WeightedSelfDistillation:
    """Fits a model to the targets, and then again and again to a mixture of targets and its own predictions.

    Round 1 fits y, round t fits `a y + (1 - a) f_(t-1)(x)`. With `weight="auto"` each round's a is that of
    `optimal_distillation_weight`, which needs held-out samples and one more fit for each round after the first: to the
    predictions alone.

    Args:
        fit: function of `(x, targets)` that fits a new model and returns its `predict`, a function of x.
        rounds: at least 1. Defaults to 3.
        weight: a, in [0, 1], or "auto". Defaults to "auto". At 1 every round fits the same targets.

    Attributes:
        predictors: the `predict` of each round, after `fit`.
        weights: a of each round; 1 in the first.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> def ridge(x, y):
    ...     slope = x @ y / (x @ x + 1.0)
    ...     return lambda new: new * slope
    >>> x = np.array([1.0, 2.0])
    >>> distilled = WeightedSelfDistillation(ridge, rounds=2, weight=0.0).fit(x, x)
    >>> [round(float(predict(1.0)), 3) for predict in distilled.predictors]
    [0.833, 0.694]

    Reference: Borup and Andersen, "Even your Teacher Needs Guidance: Ground-Truth Targets Dampen Regularization Imposed
    by Self-Distillation", NeurIPS 2021.
    """

    def __init__(
        self, fit: Callable[[Any, np.ndarray], Predict], rounds: int = 3, weight: float | str = "auto"
    ) -> None:
        if not callable(fit):
            raise ValueError(f"`fit` must be a function of (x, targets). Received: fit={fit!r}")
        self.rounds = check_integer("rounds", rounds, 1)
        if isinstance(weight, str) and weight != "auto":
            raise ValueError(f"`weight` must be a number in [0, 1] or 'auto'. Received: weight={weight!r}")
        self.weight = weight if isinstance(weight, str) else check_number("weight", weight, 0.0, 1.0)
        self._fit = fit
        self.predictors: list[Predict] = []
        self.weights: list[float] = []

    def fit(self, x: Any, y: np.ndarray, held_out: tuple[Any, np.ndarray] | None = None) -> "WeightedSelfDistillation":
        """Fits all rounds.

        Args:
            x: inputs, as `fit` takes them.
            y: targets, `[N]` or `[N, C]`.
            held_out: inputs and targets on which "auto" weighs. Defaults to None.

        Raises:
            ValueError: if "auto" has no held-out samples.
        """
        if self.weight == "auto" and held_out is None:
            raise ValueError("`weight='auto'` needs held-out samples. Received: held_out=None")
        y = np.asarray(y)
        first = self._fit(x, y)
        self.predictors, self.weights = [first], [1.0]
        for _ in range(self.rounds - 1):
            own = np.asarray(self.predictors[-1](x))
            if isinstance(self.weight, str):
                alone = self._fit(x, own)
                new_x, new_y = held_out  # type: ignore[misc]  # checked above
                weight = optimal_distillation_weight(first(new_x), alone(new_x), new_y)
            else:
                weight = self.weight
            self.predictors.append(self._fit(x, weight * y + (1.0 - weight) * own))
            self.weights.append(weight)
        return self

    def predict(self, x: Any) -> np.ndarray:
        """The predictions of the last round.

        Raises:
            ValueError: before `fit`.
        """
        if not self.predictors:
            raise ValueError("`fit` comes before `predict`. Received: no rounds")
        return np.asarray(self.predictors[-1](x))
