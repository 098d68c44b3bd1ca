"""LiDAR: how many dimensions of features tell samples apart, rather than views of one sample."""

import numpy as np

from keras_ssl.evaluation.blas_threads import blas_threads
from keras_ssl.evaluation.class_moments import group_means
from keras_ssl.evaluation.spectrum import blocks, effective_rank
from keras_ssl.evaluation.validation import as_features, as_labels
from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor

_EPSILON = 1e-7


def lidar(features: Tensor, groups: Tensor, delta: float = 1e-4) -> float:
    r"""The effective rank of the linear discriminant problem whose classes are the samples.

    Each sample gives several views, and their features are one class. With the means `mu_i` of the n classes,

    .. math::

        S_b = \frac{1}{n-1} \sum_i (\mu_i - \mu)(\mu_i - \mu)^\top, \qquad
        S_w = \frac{1}{M - n} \sum_i \sum_{z \in i} (z - \mu_i)(z - \mu_i)^\top + \delta I

    (M views in all, `mu` the mean of the `mu_i`), LiDAR is the effective rank, as in `rankme`, of the
    eigenvalues of :math:`S_w^{-1/2} S_b S_w^{-1/2}`: directions in which views of one sample differ as much as
    samples do count for little. It lies between 1 and `min(n - 1, D)`, up to the 1e-7 of the entropy: n means
    have rank n - 1 at most once their mean is taken off. The paper takes n = 1000 samples of 50 views.

    Args:
        features: `[M, D]`, any floating type; computed in float64.
        groups: integers or strings `[M]`: which sample a view comes from. Two samples at least, one of them
            with two views at least; groups of unequal size are taken.
        delta: what is added to the within-class covariance, in the features' unit squared. Defaults to 1e-4.

    Returns:
        The effective rank. It is 1 if all samples have one mean.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), there are not
            two groups, no group has two rows, or `delta` is not positive.

    Example:

    >>> views = [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, -1.0], [0.0, -1.0]]
    >>> round(lidar(views, [0, 0, 1, 1, 2, 2, 3, 3]), 3)
    2.0

    Reference:
        Thilak et al., "LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL Architectures",
        ICLR 2024.
    """
    array = as_features("features", features)
    names, numbers = np.unique(as_labels("groups", groups, len(array)), return_inverse=True)
    check_positive("delta", delta)
    if len(names) < 2 or len(names) == len(array):
        raise ValueError(
            "Argument `groups` must name two samples at least, and one of them twice at least. "
            f"Received: groups with {len(names)} different values in {len(array)} rows"
        )
    means = group_means(array, numbers, len(names))
    within = np.zeros((array.shape[1], array.shape[1]))
    start = 0
    for block in blocks(array):
        block -= means[numbers[start : start + len(block)]]
        within += block.T @ block
        start += len(block)
    within = within / (len(array) - len(names)) + delta * np.eye(len(within))
    centered = (means - means.mean(axis=0)) / np.sqrt(len(names) - 1)
    with blas_threads(within.size):
        # Singular values of the whitened means, squared: the product of the matrices is never formed.
        whitened = np.linalg.solve(np.linalg.cholesky(within), centered.T)
        values = np.linalg.svd(whitened, compute_uv=False) ** 2
    values = values[: min(len(names) - 1, array.shape[1])]
    return effective_rank(np.where(values > 1e-12 * values.max(), values, 0), _EPSILON)
