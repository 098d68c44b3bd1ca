"""Which neurons of one network do what a neuron of another does."""

from dataclasses import dataclass

import numpy as np

from keras_ssl.evaluation.interpretability.checks import check_option, same_samples
from keras_ssl.typing import Tensor

__all__ = ["NeuronMatching", "neuron_matching"]

METHODS = ("bipartite", "greedy", "semi")


@dataclass(frozen=True)
class NeuronMatching:
    """Pairs of neurons of two networks.

    Attributes:
        columns: int64 `[D1]`: for each neuron of the first network, its partner in the second; -1 where it has none.
        correlations: float64 `[D1]`: the correlation of each pair; NaN where there is none.
        score: the mean correlation of the pairs.
        matrix: float64 `[D1, D2]`: the correlations of all pairs.

    Example:

    >>> result = neuron_matching(np.eye(3), np.eye(3))
    >>> type(result).__name__, result.score
    ('NeuronMatching', 1.0)
    """

    columns: np.ndarray
    correlations: np.ndarray
    score: float
    matrix: np.ndarray


def neuron_matching(features: Tensor, other_features: Tensor, method: str = "bipartite") -> NeuronMatching:
    r"""Pairs the neurons of two networks by the correlation of their activations on the same samples.

    With means :math:`\mu` and standard deviations :math:`\sigma` over the samples, the correlation of neuron i and j is

    .. math:: c_{ij} = \frac{1}{N} \sum_n \frac{(x_{ni} - \mu_i)(y_{nj} - \nu_j)}{\sigma_i \tau_j}

    - "bipartite" finds the one-to-one assignment of the largest sum of correlations, exactly;
    - "greedy" takes the pair of the highest correlation, removes both neurons, and goes on: one-to-one too, and its
      score is at most that of "bipartite";
    - "semi" gives each neuron of the first network its best partner, which several may share: its score is the mean of
      the row maxima, at least that of "bipartite" where `D1 <= D2`.

    The sign counts: a neuron that does the opposite is no partner. A shift or a positive scale of a neuron changes
    nothing. A neuron that is constant has correlation 0 with all.

    Args:
        features: activations of the first network, `[N, D1]`, N at least 2; computed in float64.
        other_features: activations of the second network on the same samples, `[N, D2]`. Where D2 is less than D1, the
            one-to-one methods leave neurons of the first network without a partner.
        method: "bipartite" (default), "greedy" or "semi".

    Returns:
        A `NeuronMatching` with `columns`, `correlations`, `score` and `matrix`.

    Raises:
        ValueError: if the numbers of samples differ, a row holds NaN or infinity, or the method is unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> result = neuron_matching(x, 3 * x[:, [2, 0, 3, 1]] + 5)
    >>> result.columns.tolist(), round(result.score, 6)
    ([1, 3, 0, 2], 1.0)

    Reference:
        Li et al., "Convergent Learning: Do different neural networks learn the same representations?", ICLR 2016.
    """
    check_option("method", method, METHODS)
    matrix = correlation_matrix(*same_samples("features", features, "other_features", other_features))
    columns = np.full(len(matrix), -1, np.int64)
    if method == "semi":
        columns[:] = matrix.argmax(axis=1)
    elif method == "bipartite":
        from scipy.optimize import linear_sum_assignment

        rows, partners = linear_sum_assignment(matrix, maximize=True)
        columns[rows] = partners
    else:
        left = matrix.copy()
        for _ in range(min(matrix.shape)):
            row, column = np.unravel_index(left.argmax(), left.shape)
            columns[row] = column
            left[row], left[:, column] = -np.inf, -np.inf
    paired = columns >= 0
    chosen = np.where(paired, matrix[np.arange(len(matrix)), columns], np.nan)
    return NeuronMatching(columns, chosen, float(chosen[paired].mean()), matrix)


def standardized(features: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and standard deviation 1, in float64; a constant column becomes zeros."""
    centered = features - features.mean(axis=0)
    std = centered.std(axis=0)
    # What is left of a constant column by rounding must not be blown up.
    varies = std > 1e-10 * np.abs(features).max(axis=0)
    return np.where(varies, centered / np.where(varies, std, 1.0), 0.0)


def correlation_matrix(features: np.ndarray, other_features: np.ndarray) -> np.ndarray:
    """Pearson correlations `[D1, D2]` of the columns of two arrays, in [-1, 1]."""
    products = standardized(features).T @ standardized(other_features) / len(features)
    return np.clip(products, -1.0, 1.0)
