"""Labels from several noisy voters."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.checks import as_numbers
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["LabelModel"]

_EDGE = 1e-6  # keeps logarithms of accuracies finite


class LabelModel:
    r"""Combines the votes of labeling functions into labels, and estimates how accurate each function is.

    A function j votes for a class or abstains (-1), whatever the true class is; where it votes, it is right with
    probability :math:`a_j` and otherwise picks one of the other classes evenly. Functions are independent given the
    class. EM estimates the accuracies without any label: the posterior is

    .. math:: p(y \mid \lambda) \propto \pi_y \prod_{j: \lambda_j \ne -1} \begin{cases} a_j & \lambda_j = y \\
              (1 - a_j) / (K - 1) & \text{otherwise} \end{cases}

    and :math:`a_j` is the mean posterior of the classes that j voted for. It starts at the majority vote (all functions
    equally accurate), so that functions better than chance in the mean are assumed.

    Args:
        classes: number of classes, K, at least 2.
        prior: probabilities of the classes, `[K]`. Defaults to None: all the same.
        iterations: most steps of EM. Defaults to 200.
        tolerance: EM ends when no accuracy changes by more. Defaults to 1e-6.

    After `fit`: `accuracies`, float64 `[M]`; of a function that always abstains it is NaN.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> votes = [[0, 0, 1], [1, 1, 1], [0, 0, -1], [1, 1, 0]]
    >>> model = LabelModel(classes=2).fit(votes)
    >>> model.predict(votes).tolist()
    [0, 1, 0, 1]

    Reference:
        Dawid & Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", 1979; Ratner et
        al., "Data Programming: Creating Large Training Sets, Quickly", NeurIPS 2016; Roberts et al.,
        "AutoWS-Bench-101: Benchmarking Automated Weak Supervision with 100 Labels", NeurIPS 2022.
    """

    def __init__(self, classes: int, prior: Any = None, iterations: int = 200, tolerance: float = 1e-6) -> None:
        self.classes = check_integer("classes", classes, 2)
        self.iterations = check_integer("iterations", iterations, 1)
        self.tolerance = check_number("tolerance", tolerance, 0.0)
        self.prior = np.full(self.classes, 1.0 / self.classes)
        if prior is not None:
            self.prior = as_numbers("prior", prior, 1)
            if self.prior.shape != (self.classes,) or (self.prior < 0).any() or abs(self.prior.sum() - 1) > 1e-6:
                raise ValueError(
                    f"`prior` must hold {self.classes} probabilities that sum to 1. Received: prior={prior!r}"
                )
        self.accuracies: np.ndarray | None = None

    def fit(self, votes: Tensor) -> "LabelModel":
        """Estimates the accuracies from votes `[N, M]`, integers from -1 (abstains) to `classes` - 1."""
        array = self._votes(votes)
        voted = array >= 0
        counts = voted.sum(axis=0)
        # Majority vote: every accuracy the same, and better than chance.
        accuracies = np.full(array.shape[1], 0.5 + 0.5 / self.classes)
        for _ in range(self.iterations):
            posterior = self._posterior(array, accuracies)
            right = np.take_along_axis(posterior, np.maximum(array, 0), axis=1) * voted
            found = np.where(counts > 0, right.sum(axis=0) / np.maximum(counts, 1), accuracies)
            change = np.abs(found - accuracies).max()
            accuracies = found
            if change <= self.tolerance:
                break
        self.accuracies = np.where(counts > 0, accuracies, np.nan)
        return self

    def predict_proba(self, votes: Tensor) -> np.ndarray:
        """The probabilities of the classes, float64 `[N, K]`; the prior, where all functions abstain."""
        if self.accuracies is None:
            raise ValueError("`fit` must come before `predict_proba`. Received: accuracies=None")
        array = self._votes(votes)
        if array.shape[1] != len(self.accuracies):
            raise ValueError(
                f"`votes` must come from the {len(self.accuracies)} functions of `fit`. "
                f"Received: votes.shape={array.shape}"
            )
        return self._posterior(array, np.nan_to_num(self.accuracies, nan=1.0 / self.classes))

    def predict(self, votes: Tensor) -> np.ndarray:
        """The most probable class of each sample, int64 `[N]`."""
        return self.predict_proba(votes).argmax(axis=1)

    def _posterior(self, votes: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
        a = np.clip(accuracies, _EDGE, 1 - _EDGE)
        wrong = np.log((1 - a) / (self.classes - 1))
        gain = np.log(a) - wrong
        voted = votes >= 0
        with np.errstate(divide="ignore"):
            logits = np.log(self.prior)[None] + (voted * wrong).sum(axis=1, keepdims=True)
        for label in range(self.classes):
            logits[:, label] += ((votes == label) * gain).sum(axis=1)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def _votes(self, votes: Tensor) -> np.ndarray:
        array = as_numbers("votes", votes, 2)
        bad = (array % 1 != 0) | (array < -1) | (array >= self.classes)
        if bad.any():
            raise ValueError(
                f"`votes` must be class numbers from 0 to {self.classes - 1}, or -1. Received: votes={array[bad][0]:g}"
            )
        return array.astype(np.int64)
