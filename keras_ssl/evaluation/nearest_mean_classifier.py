"""The nearest mean classifier: one mean per class, and nothing trained."""

import numpy as np

from keras_ssl.evaluation.moments_probe import MomentsProbe


class NearestMeanClassifier(MomentsProbe):
    r"""Predicts the class whose mean feature is nearest.

    .. math:: \hat y(x) = \operatorname{argmin}_c \lVert x - \mu_c \rVert^2

    with Euclidean distance between features as given. The same is a linear classifier with weights `mu_c` and
    biases `-||mu_c||^2 / 2`, which `coef_` and `intercept_` hold. `partial_fit` keeps running means: no sample is
    stored, classes may come in any order, and the means equal those of all samples at once.

    Attributes (after `fit` or `partial_fit`):
        classes_: the C labels, sorted.
        means_: `[C, D]`, float64.
        counts_: samples of each class, `[C]`.
        coef_, intercept_: the linear classifier, `[C, D]` and `[C]`.

    Example:

    >>> probe = NearestMeanClassifier().fit([[0.0], [1.0], [5.0]], ["low", "low", "high"])
    >>> probe.partial_fit([[20.0]], ["huge"]).predict([[2.0], [4.0], [15.0]]).tolist()
    ['low', 'high', 'huge']

    Reference:
        Janson et al., "A Simple Baseline that Questions the Use of Pretrained-Models in Continual Learning",
        NeurIPS 2022 workshop on distribution shifts.
    """

    def _decision(self, features: np.ndarray) -> np.ndarray:
        # From the middle of the means, so that features far from the origin lose no digits.
        middle = self.means_.mean(axis=0)
        means = self.means_ - middle
        return (features - middle) @ means.T - np.sum(means**2, axis=1) / 2

    @property
    def coef_(self) -> np.ndarray:
        return self.means_

    @property
    def intercept_(self) -> np.ndarray:
        return -np.sum(self.means_**2, axis=1) / 2
