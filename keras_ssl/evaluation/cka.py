"""Centered kernel alignment: how similar two representations of the same samples are."""

import numpy as np

from keras_ssl.evaluation.spectrum import blocks, column_means, in_range
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor


def cka(features: Tensor, other_features: Tensor, debiased: bool = False) -> float:
    r"""The linear centered kernel alignment of two sets of features of the same samples.

    .. math:: \frac{\lVert Y^\top X \rVert_F^2}{\lVert X^\top X \rVert_F \, \lVert Y^\top Y \rVert_F}

    with the features' means taken off: for instance features of two checkpoints, two layers or two encoders,
    whose dimensions need not agree. It is 1 where they are equal up to rotation, shift and one scale, and 0
    where no direction of one varies with any of the other.

    The plain value is biased upwards where N is not several times D (unrelated features of N - 1 dimensions or
    more have nearly 1). `debiased=True` replaces the three inner products by their unbiased estimates: unrelated
    features then have about 0, below as well as above it.

    Args:
        features: `[N, D1]`, any floating type; computed in float64, in blocks: beside the features only
            `[D1, D2]` matrices are held.
        other_features: of the same samples in the same order, `[N, D2]`.
        debiased: whether to estimate without bias; needs 4 samples. Defaults to `False`.

    Returns:
        The similarity, 0 to 1 (debiased: at most 1); NaN if one of the two does not vary at all.

    Raises:
        ValueError: if the numbers of samples differ or do not suffice, or a row holds NaN or infinity (its
            number is named).

    Example:

    >>> round(cka([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [[5.0, 5.0], [5.0, 8.0], [-1.0, 5.0]]), 6)
    1.0

    Reference:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019. The unbiased
        estimate: Song et al., "Feature Selection via Dependence Maximization", JMLR 2012.
    """
    least = 4 if debiased else 1
    x, y = as_features("features", features, least), as_features("other_features", other_features, least)
    if len(x) != len(y):
        raise ValueError(
            "Arguments `features` and `other_features` must be of the same samples. Received: "
            f"features.shape={x.shape}, other_features.shape={y.shape}"
        )
    x, y = in_range(x), in_range(y)
    inner = _unbiased if debiased else _biased
    xy, xx, yy = inner(x, y), inner(x, x), inner(y, y)
    return float(xy / (np.sqrt(xx) * np.sqrt(yy))) if xx > 0 and yy > 0 else float("nan")


def _biased(x: np.ndarray, y: np.ndarray) -> float:
    """The sum of squares of the cross-products, `tr(K L)` of the centered Gram matrices K and L."""
    return float(np.sum(_products(x, y)[0] ** 2))


def _unbiased(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of the same, up to a factor of N alone, from Gram matrices whose diagonals are 0."""
    cross, x_square, y_square, row_sums = _products(x, y)
    n = len(x)
    # The rows of a centered Gram matrix sum to 0; without the diagonal, to minus its entry.
    trace = np.sum(cross**2) - row_sums
    return float(trace + x_square * y_square / ((n - 1) * (n - 2)) - 2 / (n - 2) * row_sums)


def _products(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """Of centered features: `X^T Y`, the sums of the rows' squares in x and in y, and of the product of both."""
    x_mean, y_mean = column_means(x), column_means(y)
    cross, x_total, y_total, both = np.zeros((x.shape[1], y.shape[1])), 0.0, 0.0, 0.0
    columns = max(x.shape[1], y.shape[1])
    for a, b in zip(blocks(x, columns), blocks(y, columns), strict=True):
        a, b = a - x_mean, b - y_mean
        cross += a.T @ b
        a_square, b_square = np.sum(a * a, axis=1), np.sum(b * b, axis=1)
        x_total += float(a_square.sum())
        y_total += float(b_square.sum())
        both += float(a_square @ b_square)
    return cross, x_total, y_total, both
