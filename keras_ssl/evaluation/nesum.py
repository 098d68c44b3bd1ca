"""NESum: the total variance of features in units of their largest variance."""

from keras_ssl.evaluation.spectrum import covariance_eigenvalues, in_range
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor


def nesum(features: Tensor) -> float:
    r"""The normalized sum of the eigenvalues of the features' covariance.

    .. math:: \sum_i \frac{\lambda_i}{\lambda_1}

    with the eigenvalues in descending order. It lies between 1 (one direction holds all variance: collapse of
    dimensions) and `min(N - 1, D)` (whitened features: all directions alike); N samples span N - 1 directions
    at most once their mean is taken off.

    Args:
        features: `[N, D]`, any floating type; computed in float64.

    Returns:
        The sum. Features that are all alike have 0, as 0/0 counts in the paper.

    Raises:
        ValueError: if the features are not `[N, D]` or a row holds NaN or infinity (its number is named).

    Example:

    >>> round(nesum([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
    1.25

    Reference:
        He and Ozay, "Exploring the Gap between Collapsed & Whitened Features in Self-Supervised Learning",
        ICML 2022.
    """
    values = covariance_eigenvalues(in_range(as_features("features", features)))
    return float(values.sum() / values[0]) if len(values) else 0.0
