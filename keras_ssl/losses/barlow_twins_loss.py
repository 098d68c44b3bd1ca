"""The loss of Barlow Twins."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, off_diagonal_square_sum
from keras_ssl.typing import Tensor


def standardize(z: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Columns of `z` with mean 0 and (biased) variance 1 over the batch."""
    centered = z - keras.ops.mean(z, axis=0, keepdims=True)
    variance = keras.ops.mean(keras.ops.square(centered), axis=0, keepdims=True)
    return centered * keras.ops.rsqrt(variance + epsilon)


def cross_correlation(z1: Tensor, z2: Tensor, epsilon: float = 1e-5) -> Tensor:
    """The matrix `C[i, j]`, the correlation over the batch of `z1[:, i]` with `z2[:, j]`.

    Each view is standardized by its own mean and biased standard deviation, so that identical views give a diagonal
    of exactly 1 (up to `epsilon`, which is added to the variance).

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        epsilon: added to each variance. Defaults to `1e-5`, that of the authors' batch normalization.

    Returns:
        A `[D, D]` tensor.
    """
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    count = keras.ops.cast(keras.ops.shape(z1)[0], z1.dtype)
    return keras.ops.matmul(keras.ops.transpose(standardize(z1, epsilon)), standardize(z2, epsilon)) / count


def barlow_twins_terms(z1: Tensor, z2: Tensor, epsilon: float = 1e-5) -> tuple[Tensor, Tensor]:
    """The two terms of the Barlow Twins loss, unweighted: (invariance, redundancy)."""
    correlation = cross_correlation(z1, z2, epsilon)
    diagonal = keras.ops.diagonal(correlation)
    invariance = keras.ops.sum(keras.ops.square(diagonal - 1.0))
    return invariance, off_diagonal_square_sum(correlation)


def barlow_twins_loss(
    z1: Tensor, z2: Tensor, redundancy_weight: float = 0.0051, scale: float = 1.0, epsilon: float = 1e-5
) -> Tensor:
    r"""Barlow Twins: the cross-correlation of the two views' embeddings should be the identity.

    `scale * (sum_i (1 - C_ii)^2 + redundancy_weight * sum_{i != j} C_ij^2)` with `C = cross_correlation(z1, z2)`.
    The value grows with the width: untrained embeddings give about `D`.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        redundancy_weight: weight of the off-diagonal term (lambda). Defaults to `0.0051`, the paper's for D = 8192.
        scale: factor of the whole loss; recipes with small learning rates outside LARS depend on it. Defaults to 1.
        epsilon: added to each variance. Defaults to `1e-5`.

    Returns:
        A scalar.

    Example:

    >>> import numpy as np
    >>> z = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], "float32")
    >>> bool(barlow_twins_loss(z, z) < 1e-6)
    True

    Reference:
        Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021.
    """
    invariance, redundancy = barlow_twins_terms(z1, z2, epsilon)
    return scale * (invariance + redundancy_weight * redundancy)
