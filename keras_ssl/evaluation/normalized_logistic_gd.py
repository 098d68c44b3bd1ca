"""Logistic regression by steps of a length that does not fade."""

from typing import Any

import numpy as np

from keras_ssl.losses.numeric import check_integer

__all__ = ["NormalizedLogisticGD"]


class NormalizedLogisticGD:
    """A linear classifier of two classes that separates separable data in few steps.

    Gradient descent on the logistic loss `mean_i log(1 + exp(-m_i))`, `m_i = y_i a_i . theta`, with labels of -1 and 1:

        theta = theta - learning_rate * beta * grad,   beta = 1 / mean_i sigmoid(-m_i)

    The step is the mean of the samples `y_i a_i` with weights in proportion to `sigmoid(-m_i)`: it stays long where the
    gradient fades. With `R = max ||a_i||` and a margin mu (a unit vector u with `y_i a_i . u >= mu` for all i), all
    samples are on the right side after at most `R^2 / mu^2 + 2 log(2 n - 1) / (learning_rate mu^2)` steps. As the rate
    grows, `theta / learning_rate` follows the batch perceptron, whose step is the mean of the misclassified samples
    (`normalized=False`, gradient descent itself, follows its unnormalized form and takes more steps). At `theta = 0`,
    beta is 2.

    Args:
        learning_rate: gamma, positive. Defaults to 1.
        max_steps: steps at most, a positive integer. Defaults to 10000.
        normalized: whether steps are multiplied by beta. False is plain gradient descent. Defaults to True.
        fit_intercept: whether a constant 1 is added to the features. Defaults to True.
        stop_when_separated: whether to stop when all samples are on the right side. Defaults to True.

    Attributes (after `fit`):
        classes_: the two labels, sorted; the second is 1.
        coef_: `[D]`, float64. intercept_: a float.
        steps_: how many steps were made. separated_: whether all samples are on the right side.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> x, y = np.array([[2.0, 1.0], [1.0, 2.0], [-1.0, -1.0]]), np.array([1, 1, 0])
    >>> probe = NormalizedLogisticGD().fit(x, y)
    >>> probe.predict(x).tolist(), probe.steps_, probe.separated_
    ([1, 1, 0], 1, True)

    Reference: Tyurin, "From Logistic Regression to the Perceptron Algorithm: Exploring Gradient Descent with Large Step
    Sizes", 2024, https://arxiv.org/abs/2412.08424.
    """

    def __init__(
        self,
        learning_rate: float = 1.0,
        max_steps: int = 10_000,
        normalized: bool = True,
        fit_intercept: bool = True,
        stop_when_separated: bool = True,
    ) -> None:
        number = isinstance(learning_rate, int | float) and not isinstance(learning_rate, bool)
        if not number or not 0.0 < learning_rate < np.inf:
            raise ValueError(f"`learning_rate` must be positive and finite. Received: learning_rate={learning_rate}")
        self.learning_rate = float(learning_rate)
        self.max_steps = check_integer("max_steps", max_steps, 1)
        self.normalized = bool(normalized)
        self.fit_intercept = bool(fit_intercept)
        self.stop_when_separated = bool(stop_when_separated)

    @staticmethod
    def log_beta(margins: np.ndarray) -> float:
        """`log(beta)` of margins `[n]`: `-log mean_i sigmoid(-m_i)`, finite however large the margins are."""
        logs = -np.logaddexp(0.0, np.asarray(margins, "float64"))
        return float(np.log(len(logs)) - np.logaddexp.reduce(logs))

    def step(self, theta: np.ndarray, signed: np.ndarray) -> np.ndarray:
        """`theta` after one step.

        Args:
            theta: `[D]`.
            signed: the samples times their labels of -1 and 1, `y_i a_i`, `[n, D]`.
        """
        margins = signed @ theta
        logs = -np.logaddexp(0.0, margins)
        weights = np.exp(logs + (self.log_beta(margins) if self.normalized else 0.0)) / len(signed)
        return theta + self.learning_rate * (weights @ signed)

    def fit(self, features: Any, labels: Any) -> "NormalizedLogisticGD":
        """Fits from `theta = 0`.

        Args:
            features: `[n, D]`.
            labels: `[n]`, of two values.

        Raises:
            ValueError: if shapes do not fit, features are not finite, or there are not two classes.
        """
        x, y = self._with_one(features), np.asarray(labels)
        if y.shape != (len(x),):
            raise ValueError(f"`labels` must have one value for each of {len(x)} samples. Received: labels={y.shape}")
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise ValueError(f"`labels` must be of two classes. Received: labels={self.classes_.tolist()}")
        signed = np.where(y == self.classes_[1], 1.0, -1.0)[:, None] * x
        theta = np.zeros(x.shape[1])
        self.steps_, self.separated_ = 0, False
        for _ in range(self.max_steps):
            theta = self.step(theta, signed)
            self.steps_ += 1
            self.separated_ = bool((signed @ theta > 0).all())
            if self.separated_ and self.stop_when_separated:
                break
        self.coef_ = theta[:-1] if self.fit_intercept else theta
        self.intercept_ = float(theta[-1]) if self.fit_intercept else 0.0
        return self

    def decision_function(self, features: Any) -> np.ndarray:
        """`a . theta` of each sample, `[n]`: positive is the second class."""
        if not hasattr(self, "coef_"):
            raise ValueError("The classifier must be fitted before it predicts. Received: no call of `fit`")
        return self._with_one(features) @ np.append(self.coef_, self.intercept_)[: len(self.coef_) + self.fit_intercept]

    def predict(self, features: Any) -> np.ndarray:
        """The predicted labels, `[n]`."""
        second = self.decision_function(features) > 0
        return np.asarray(self.classes_[second.astype(int)])

    def _with_one(self, features: Any) -> np.ndarray:
        x = np.asarray(features, "float64")
        if x.ndim != 2 or not len(x):
            raise ValueError(f"`features` must be a matrix [n, D]. Received: features={x.shape}")
        if not np.isfinite(x).all():
            raise ValueError("`features` must be finite. Received: features with NaN or infinity")
        return np.concatenate([x, np.ones((len(x), 1))], axis=1) if self.fit_intercept else x
