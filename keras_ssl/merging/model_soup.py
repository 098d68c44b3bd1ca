"""The mean of several fine-tunings of one model."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from keras_ssl.check_numbers import check_numbers
from keras_ssl.merging.task_arithmetic import sets_of
from keras_ssl.weights.assign_weights import assign_weights
from keras_ssl.weights.combine_weights import combine_weights

__all__ = ["ModelSoup"]

Weights = Mapping[str, np.ndarray]
METHODS = ("uniform", "greedy")


class ModelSoup:
    """Averages the weights of models that were fine-tuned from one start with other data, rates or seeds.

    "uniform" averages all. "greedy" goes through them from the best score to the worst and keeps each one with which
    the mean scores no worse than without it; so the soup is at least as good as the best, by that score.

    Args:
        ingredients: built models of one structure, or their weights by name.
        method: "uniform" or "greedy". Defaults to "uniform".
        score: for "greedy", a function of weights by name that returns a number, the higher the better, such as an
            accuracy on validation data. Defaults to None.

    Attributes:
        weights: the mean, by name.
        chosen: places of the ingredients in it, in the order in which they came in.
        scores: of each ingredient alone; None where there is no `score`.
        score: of the soup; None where there is no `score`.

    Raises:
        ValueError: if there is no ingredient, names or shapes differ, `method` is none of these, "greedy" has no
            `score`, or a score is not finite.

    Example:

    >>> rates = [{"kernel": np.array([value])} for value in (1.0, 2.0, 9.0)]
    >>> soup = ModelSoup(rates, "greedy", score=lambda weights: -abs(float(weights["kernel"][0]) - 1.4))
    >>> soup.chosen, soup.weights["kernel"].tolist()
    ([0, 1], [1.5])

    References: Wortsman et al., "Model soups", ICML 2022, https://arxiv.org/abs/2203.05482; used in Liu et al.,
    "POINTS", 2024, https://arxiv.org/abs/2409.04828.
    """

    def __init__(
        self,
        ingredients: Sequence[keras.Model | Weights],
        method: str = "uniform",
        score: Callable[[Weights], float] | None = None,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {', '.join(METHODS)}. Received: method={method!r}")
        if method == "greedy" and score is None:
            raise ValueError("`score` must be a function for a greedy soup. Received: score=None")
        if score is not None and not callable(score):
            raise ValueError(f"`score` must be None or a function. Received: score={score!r}")
        sets = sets_of("ingredients", ingredients)
        scores = [] if score is None else [_scored(score, weights) for weights in sets]
        self.scores = None if score is None else scores
        self.score: float | None = None
        self.chosen = list(range(len(sets)))
        self.weights = combine_weights(sets)
        if score is None:
            return
        if method == "uniform":
            self.score = _scored(score, self.weights)
            return
        first, *rest = sorted(self.chosen, key=lambda place: -scores[place])
        self.chosen, self.score, self.weights = [first], scores[first], combine_weights([sets[first]])
        for place in rest:
            mean = combine_weights([sets[each] for each in (*self.chosen, place)])
            found = _scored(score, mean)
            if found >= self.score:
                self.chosen, self.score, self.weights = [*self.chosen, place], found, mean

    def assign(self, model: keras.Model) -> None:
        """Gives a model of the same structure the weights of the soup; see `recalibrate_batch_norm`."""
        assign_weights(model, self.weights)


def _scored(score: Callable[[Weights], float], weights: Weights) -> float:
    # Of copies: a function that changes its arrays must not change the ingredients.
    value = check_numbers("score", score({name: array.copy() for name, array in weights.items()}))
    if value.size != 1 or not np.isfinite(value).all():
        raise ValueError(f"`score` must return finite numbers. Received: {value.tolist()}")
    return float(value.reshape(()))
