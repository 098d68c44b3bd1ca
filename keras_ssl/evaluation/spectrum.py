"""Covariances and spectra, which the measures of rank share; all in float64, a block of rows at a time."""

from collections.abc import Iterator

import numpy as np

from keras_ssl.evaluation.blas_threads import blas_threads

_BLOCK = 2**22  # numbers in memory in float64 at a time, beside the features themselves
_SMALL = 1e-30  # numbers whose eighth power is still in range
_ROUNDING = 1e-12  # eigenvalues below this share of the largest are what is left of zero


def blocks(features: np.ndarray, columns: int | None = None) -> Iterator[np.ndarray]:
    """The rows in float64, so many at a time that a block times `columns` (default: its own) stays small."""
    rows = max(1, _BLOCK // max(features.shape[1], columns or 1))
    for start in range(0, len(features), rows):
        yield features[start : start + rows].astype(np.float64)


def in_range(features: np.ndarray) -> np.ndarray:
    """The features, times a power of two where products of their squares would overflow or vanish.

    Only for what a common factor of all features does not change. Rows of ordinary size are returned as they are.
    """
    largest = max(float(features.max()), -float(features.min()))
    if largest == 0.0 or _SMALL <= largest <= 1.0 / _SMALL:
        return features
    return np.ldexp(features.astype(np.float64), -int(np.frexp(largest)[1]))


def column_means(features: np.ndarray) -> np.ndarray:
    """The mean of each dimension, `[D]`; exact for a dimension that is constant."""
    first = features[0].astype(np.float64)
    total = np.zeros_like(first)
    for block in blocks(features):
        total += (block - first).sum(axis=0)
    return first + total / len(features)


def covariance(features: np.ndarray) -> np.ndarray:
    """The covariance of the dimensions, `[D, D]`, divided by N; the mean is taken off before anything is squared."""
    mean = column_means(features)
    total = np.zeros((features.shape[1], features.shape[1]))
    for block in blocks(features):
        block -= mean
        total += block.T @ block
    return total / len(features)


def covariance_eigenvalues(features: np.ndarray) -> np.ndarray:
    """The eigenvalues of the covariance that are not zero, largest first: at most `min(N - 1, D)` of them.

    What cannot be told from the rounding of the features' own mean counts as zero: features that are all
    alike, but far from the origin, have no eigenvalue rather than a few of noise.
    """
    mean = column_means(features)
    if len(features) > features.shape[1]:
        matrix = covariance(features)
    else:  # the same eigenvalues from the smaller matrix of products of samples
        centered = features.astype(np.float64) - mean
        matrix = centered @ centered.T / len(features)
    with blas_threads(matrix.size):
        values = np.linalg.eigvalsh(matrix)[::-1]
    offset = (8 * np.finfo(np.float64).eps) ** 2 * float(mean @ mean)
    floor = max(_ROUNDING * max(float(values[0]), 0.0), offset)
    values = values[: min(len(features) - 1, features.shape[1])]
    return values[values > floor]


def effective_rank(values: np.ndarray, epsilon: float) -> float:
    r"""`exp(-sum_k p_k log p_k)` with `p_k = values_k / sum(values) + epsilon`; 1 if all values are zero."""
    return float(np.exp(spectral_entropy(values, epsilon)))


def spectral_entropy(values: np.ndarray, epsilon: float = 0.0) -> float:
    """The entropy in nats of the shares of `values` (not negative), each raised by `epsilon`; 0 if all are zero."""
    total = values.sum()
    if total == 0:
        return 0.0
    shares = values / total + epsilon
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))


def singular_values(features: np.ndarray) -> np.ndarray:
    """The singular values of the features as given, in float64, largest first."""
    with blas_threads(features.size):
        return np.linalg.svd(features.astype(np.float64), compute_uv=False)
