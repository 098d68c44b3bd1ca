"""The mean off-diagonal correlation: how redundant the dimensions of features are."""

import numpy as np

from keras_ssl.evaluation.spectrum import column_means, covariance, in_range
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor


def mean_correlation(features: Tensor) -> float:
    r"""The mean absolute correlation between different dimensions of features.

    .. math:: \frac{1}{D (D - 1)} \sum_{i \neq j} \left\lvert \frac{C_{ij}}{\sqrt{C_{ii} C_{jj}}} \right\rvert

    with the covariance C. It is 0 where no two dimensions share anything, and 1 where all are one: collapse of
    dimensions. Few samples have a floor above 0: once centered, N of them span N - 1 directions at most, in which more
    dimensions than that cannot all be uncorrelated. Independent normal dimensions come near `sqrt(2 / (pi N))`, two
    samples have 1. Compare at the same N.

    Dimensions that are constant have no correlation and are left out.

    Args:
        features: `[N, D]`, any floating type; computed in float64.

    Returns:
        The mean, 0 to 1; NaN if fewer than two dimensions vary (so features that have collapsed to a point do not
        pass for decorrelated ones).

    Raises:
        ValueError: if the features are not `[N, D]` or a row holds NaN or infinity (its number is named).

    Example:

    >>> round(mean_correlation([[1.0, -2.0], [2.0, -4.0], [3.0, -6.0]]), 6)
    1.0

    Reference:
        Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021 (the
        quantity that its second term lowers); the mean of absolute values as one figure is ours.
    """
    array = in_range(as_features("features", features))
    matrix = covariance(array)
    variance = np.diag(matrix)
    # A dimension whose spread is rounding error would count as a full one.
    varying = variance > (8 * np.finfo(np.float64).eps * np.abs(column_means(array))) ** 2
    if varying.sum() < 2:
        return float("nan")
    std = np.sqrt(variance[varying])
    correlation = np.abs(matrix[varying][:, varying] / std / std[:, np.newaxis])
    count = len(std)
    return float((correlation.sum() - np.trace(correlation)) / (count * (count - 1)))
