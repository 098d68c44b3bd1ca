"""TwoNN: the intrinsic dimension of the set that features lie on, from the two nearest neighbors."""

import numpy as np

from keras_ssl.evaluation.spectrum import column_means, in_range
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor

_BLOCK = 2**22  # distances in memory at a time


def two_nn(features: Tensor) -> float:
    r"""The number of dimensions in which features vary locally, on however curved a surface.

    Where the density is about constant over two neighbors, the ratio of a sample's distances to its second
    and its first neighbor follows a Pareto law whose exponent is the dimension. Its maximum likelihood is

    .. math:: d = \frac{N}{\sum_n \log (r_{n2} / r_{n1})}

    with Euclidean distances. It lies above 0, has no ceiling, and sinks below the true dimension where that is
    high (from about 20) and N is not very large. It asks no labels and sees what no measure of rank can: a
    circle in a hundred dimensions has 1. (`intrinsic_dimension` is another quantity: that of a task.)

    Samples that have an equal are left out: duplicates say nothing about the dimension. The time grows as the
    square of N, the memory does not: distances are worked off in blocks.

    Args:
        features: `[N, D]`, N at least 3, any floating type; computed in float64.

    Returns:
        The dimension; infinity if all samples are equally far apart, 0 if no three are different.

    Raises:
        ValueError: if the features are not `[N, D]` of three samples at least or a row holds NaN or infinity
            (its number is named).

    Example:

    >>> round(two_nn([[0.0], [1.0], [3.0], [7.0]]), 4)
    1.5369

    Reference:
        Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
        Scientific Reports 2017 (which fits a line to the ratios' distribution; the maximum likelihood of the
        same law is used here).
    """
    distinct, counts = np.unique(in_range(as_features("features", features, least=3)), axis=0, return_counts=True)
    single = counts == 1
    points = distinct - column_means(distinct)
    if len(points) < 3 or not single.any():
        return 0.0
    square = np.einsum("nd,nd->n", points, points)
    logs = []
    rows = max(1, _BLOCK // len(points))
    for start in range(0, len(points), rows):
        block = points[start : start + rows]
        distance = square - 2 * block @ points.T  # up to the row's own square
        distance[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        nearest = np.argpartition(distance, 1, axis=1)[:, :2]
        # Anew from the differences: the expanded square is not exact where neighbors are close.
        exact = np.linalg.norm(block[:, np.newaxis] - points[nearest], axis=2)
        logs.append(np.log(exact.max(axis=1) / exact.min(axis=1)))
    total = float(np.concatenate(logs)[single].sum())
    return float(single.sum() / total) if total > 0 else float("inf")
