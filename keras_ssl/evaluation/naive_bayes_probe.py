"""Gaussian naive Bayes as a linear probe: closed form, and ahead of logistic regression where labels are few."""

import numpy as np

from keras_ssl.evaluation.moments_probe import MomentsProbe
from keras_ssl.losses.numeric import check_positive


class NaiveBayesProbe(MomentsProbe):
    r"""Gaussian naive Bayes on features.

    Each class c is a normal distribution with independent dimensions, and the most probable class wins:

    .. math:: \hat y(x) = \operatorname{argmax}_c \; \log \pi_c
        - \tfrac12 \sum_d \Bigl( \log v_{cd} + \frac{(x_d - \mu_{cd})^2}{v_{cd}} \Bigr)

    with the classes' frequencies, means and variances. By default all classes share one variance per dimension
    (that within classes, over all samples), and the classifier is exactly linear:

    .. math:: w_c = \mu_c / v, \qquad b_c = \log \pi_c - \sum_d \frac{\mu_{cd}^2}{2 v_d}.

    It needs a number of samples that grows as the logarithm of D to come near its best, logistic regression one
    that grows as D, whose best is the better one.

    `partial_fit` merges moments batch by batch; the result equals that of all samples at once.

    Args:
        shared_variance: whether classes share their variances; `False` is scikit-learn's `GaussianNB`. Defaults
            to `True`, as in the reference.
        smoothing: share of the largest variance of a dimension, over all samples, that is added to every
            variance, so that constant dimensions and classes of one sample do no harm. Defaults to 1e-9.

    Attributes (after `fit` or `partial_fit`):
        classes_: the C labels, sorted.
        means_: `[C, D]`, float64.
        variances_: `[C, D]`, smoothed; equal rows where they are shared.
        counts_: samples of each class, `[C]`.
        coef_, intercept_: the linear classifier, `[C, D]` and `[C]`; only with shared variances.

    Raises:
        ValueError: if `smoothing` is not positive.

    Example:

    >>> probe = NaiveBayesProbe().fit([[0.0, 1.0], [0.2, 5.0], [1.0, 5.0], [1.2, 1.0]], [0, 0, 1, 1])
    >>> probe.predict([[0.1, 9.0], [1.1, -9.0]]).tolist()
    [0, 1]

    Reference:
        Zheng et al., "Revisiting Discriminative vs. Generative Classifiers: Theory and Implications", ICML 2023.
    """

    def __init__(self, shared_variance: bool = True, smoothing: float = 1e-9) -> None:
        self.shared_variance = shared_variance
        self.smoothing = check_positive("smoothing", smoothing)

    def _decision(self, features: np.ndarray) -> np.ndarray:
        prior = np.log(self.counts_ / self.counts_.sum())
        variances = self.variances_
        if self.shared_variance:
            # In units of the spread and from the middle of the means: there the expanded square loses no digits.
            middle, std = self.means_.mean(axis=0), np.sqrt(variances[0])
            means = (self.means_ - middle) / std
            return (features - middle) / std @ means.T + prior - np.sum(means**2, axis=1) / 2
        scores = [
            np.sum((features - mean) ** 2 / variance + np.log(variance), axis=1)
            for mean, variance in zip(self.means_, variances, strict=True)
        ]
        return prior - np.stack(scores, axis=1) / 2

    @property
    def variances_(self) -> np.ndarray:
        moments = self.moments_
        counts = moments.counts[:, np.newaxis]
        total = counts.sum()
        mean = np.sum(counts * moments.means, axis=0) / total
        spread = np.sum(moments.squares + counts * (moments.means - mean) ** 2, axis=0) / total
        largest = float(spread.max())
        added = self.smoothing * (largest if largest > 0 else 1.0)
        if self.shared_variance:
            return np.tile(moments.squares.sum(axis=0) / total + added, (len(counts), 1))
        return moments.squares / counts + added

    @property
    def coef_(self) -> np.ndarray:
        return self.means_ / self._shared()

    @property
    def intercept_(self) -> np.ndarray:
        return np.log(self.counts_ / self.counts_.sum()) - np.sum(self.means_**2 / self._shared(), axis=1) / 2

    def _shared(self) -> np.ndarray:
        if not self.shared_variance:
            raise AttributeError("The classifier is not linear. Received: shared_variance=False")
        return self.variances_[0]
