"""Ridge regression as a classifier that learns from a stream and equals joint training."""

import numpy as np

from keras_ssl.evaluation.streaming_probe import StreamingProbe
from keras_ssl.losses.numeric import check_positive

_ROWS = 256  # the recursion inverts a matrix of this size at a time


class RecursiveRidge(StreamingProbe):
    r"""Ridge regression on one-hot labels, updated recursively.

    After any stream of features X and one-hot labels Y, in batches of any size and order, the weights are

    .. math:: W = (X^\top X + \gamma I)^{-1} X^\top Y,

    as if all had been there at once, and the class of the largest score `x W` wins. Each batch updates

    .. math::

        R \leftarrow R - R X^\top (I + X R X^\top)^{-1} X R, \qquad
        W \leftarrow W + R X^\top (Y - X W),

    with `R = I / gamma` at first. A class that is new in mid-stream gets a column of zeros: that is what it would
    have learned so far. There is no bias, as in the reference; append a constant to the features for one. The
    state is a `[D, D]` matrix and the weights; the time per sample grows as `D**2`.

    Args:
        gamma: the weight of `||W||^2` beside the sum (not the mean) of squared errors. Defaults to 1.

    Attributes (after `fit` or `partial_fit`):
        classes_: the C labels, sorted.
        coef_: `[C, D]`, float64: the transpose of W.
        intercept_: zeros `[C]`.

    Raises:
        ValueError: if `gamma` is not positive.

    Example:

    >>> probe = RecursiveRidge(gamma=0.1).partial_fit([[1.0, 0.0], [0.9, 0.1]], ["east", "east"])
    >>> probe.partial_fit([[0.0, 2.0]], ["north"]).predict([[2.0, 1.0], [1.0, 4.0]]).tolist()
    ['east', 'north']

    Reference:
        Zhuang et al., "Online Analytic Exemplar-Free Continual Learning with Large Models for Imbalanced
        Autonomous Driving Task", 2024 (its generator of pseudo-features, for imbalance, is left out).
    """

    def __init__(self, gamma: float = 1.0) -> None:
        self.gamma = check_positive("gamma", gamma)

    def _start(self, width: int) -> None:
        self.inverse_ = np.eye(width) / self.gamma
        self.weights_ = np.zeros((width, 0))

    def _add_class(self, number: int) -> None:
        self.weights_ = np.insert(self.weights_, number, 0, axis=1)

    def _update(self, features: np.ndarray, numbers: np.ndarray) -> None:
        for start in range(0, len(features), _ROWS):
            x, hot = features[start : start + _ROWS], np.eye(self.weights_.shape[1])[numbers[start : start + _ROWS]]
            product = x @ self.inverse_
            gain = np.linalg.solve(np.eye(len(x)) + product @ x.T, product)
            self.inverse_ -= product.T @ gain
            # Rounding must not make it asymmetric, which the recursion would amplify.
            self.inverse_ = (self.inverse_ + self.inverse_.T) / 2
            # The gain is the new R X^T, transposed.
            self.weights_ = self.weights_ + gain.T @ (hot - x @ self.weights_)

    def _decision(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weights_

    @property
    def coef_(self) -> np.ndarray:
        return self.weights_.T

    @property
    def intercept_(self) -> np.ndarray:
        return np.zeros(self.weights_.shape[1])
