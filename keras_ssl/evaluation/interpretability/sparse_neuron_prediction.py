"""Which few neurons of one network together do what a neuron of another does."""

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.checks import same_samples
from keras_ssl.evaluation.interpretability.neuron_matching import standardized
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["sparse_neuron_prediction"]


def sparse_neuron_prediction(
    features: Tensor, other_features: Tensor, penalty: float = 0.05, max_iter: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    r"""Predicts each neuron of one network from few neurons of another: a one-to-many matching.

    Both sets of activations are standardized (mean 0, standard deviation 1 over the samples), and for each neuron j

    .. math:: \min_{w_j} \frac{1}{2N} \lVert y_j - X w_j \rVert^2 + \lambda \lVert w_j \rVert_1

    is solved by coordinate descent. With `penalty` 1 or more all weights are 0. A shift or a positive scale of a neuron
    changes nothing.

    Args:
        features: activations that predict, `[N, D1]`, N at least 2.
        other_features: activations that are predicted, of the same samples, `[N, D2]`.
        penalty: the weight `lambda` of the L1 norm, not negative; 0 is least squares. Defaults to 0.05.
        max_iter: most passes over the coordinates. Defaults to 1000.

    Returns:
        The weights, float64 `[D1, D2]`, a column for each predicted neuron; and the share of its variance that the
        prediction explains, float64 `[D2]` (0 for a constant neuron).

    Raises:
        ValueError: if the numbers of samples differ, a row holds NaN or infinity, or an argument is out of range.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(200, 5))
    >>> weights, explained = sparse_neuron_prediction(x, x[:, [1]] + x[:, [3]])
    >>> np.flatnonzero(weights[:, 0]).tolist(), bool(explained[0] > 0.95)
    ([1, 3], True)

    Reference:
        Li et al., "Convergent Learning: Do different neural networks learn the same representations?", ICLR 2016.
    """
    penalty = check_number("penalty", penalty, 0.0)
    max_iter = check_integer("max_iter", max_iter, 1)
    x, y = (standardized(part) for part in same_samples("features", features, "other_features", other_features))
    if penalty == 0.0:
        weights = np.linalg.lstsq(x, y, rcond=None)[0]
    else:
        try:
            from sklearn.linear_model import Lasso
        except ImportError as error:
            raise ImportError("sparse_neuron_prediction needs scikit-learn: pip install scikit-learn") from error
        weights = np.zeros((x.shape[1], y.shape[1]))
        for neuron in range(y.shape[1]):
            model = Lasso(alpha=penalty, fit_intercept=False, max_iter=max_iter, tol=1e-6)
            weights[:, neuron] = model.fit(x, y[:, neuron]).coef_
    total = np.sum(y**2, axis=0)
    rest = np.sum((y - x @ weights) ** 2, axis=0)
    return weights, np.where(total > 0, 1.0 - rest / np.where(total > 0, total, 1.0), 0.0)
