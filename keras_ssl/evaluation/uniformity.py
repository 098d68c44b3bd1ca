"""Uniformity: how evenly features spread over the sphere."""

import numpy as np

from keras_ssl.evaluation.validation import as_features, l2_normalized
from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor

_BLOCK = 2**22  # distances in memory at a time


def uniformity(features: Tensor, t: float = 2.0) -> float:
    r"""The logarithm of the mean Gaussian potential between pairs of L2-normalized features.

    .. math:: \log \frac{2}{N (N - 1)} \sum_{n < m}
        \exp\left(-t \left\lVert \frac{z_n}{\lVert z_n \rVert} - \frac{z_m}{\lVert z_m \rVert} \right\rVert^2\right)

    Lower is more even. The ceiling is 0: all features have one direction, collapse. The floor is
    `-2 t N / (N - 1)`, which N points reach where all are equally far apart (a regular simplex, which needs
    N - 1 dimensions); many points in few dimensions stay above it. Rows of zeros stay zeros.

    The time grows as the square of N, the memory does not: distances are worked off in blocks.

    Args:
        features: `[N, D]`, N at least 2, any floating type; computed in float64.
        t: the sharpness of the potential. Defaults to 2.

    Returns:
        The logarithm, at most 0.

    Raises:
        ValueError: if the features are not `[N, D]` of two samples at least, a row holds NaN or infinity (its
            number is named), or `t` is not positive.

    Example:

    >>> uniformity([[1.0, 0.0], [-3.0, 0.0]])
    -8.0

    Reference:
        Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on
        the Hypersphere", ICML 2020.
    """
    array = as_features("features", features, least=2)
    check_positive("t", t)
    unit = l2_normalized(array.astype(np.float64))
    square = np.einsum("nd,nd->n", unit, unit)
    total = 0.0
    rows = max(1, _BLOCK // len(unit))
    for start in range(0, len(unit) - 1, rows):
        block = unit[start : start + rows]
        distance = square[start : start + rows, np.newaxis] + square[start:] - 2 * block @ unit[start:].T
        potential = np.exp(-t * np.maximum(distance, 0))
        # Each pair once: what lies above the diagonal, which begins at the block's own first row.
        total += float(np.triu(potential, k=1).sum())
    # A sum of no more than its number of ones, but for rounding.
    return float(min(0.0, np.log(total) - np.log(len(unit) * (len(unit) - 1) / 2)))
