"""What cosines are worth where embeddings are random: the closed forms behind `model.expected_loss()`.

A random embedding is a unit vector in any direction of D dimensions, so that `E exp(k cos) = 0F1(; D/2; k^2 / 4)`, the
mean over the sphere, which is near `exp(k^2 / (2 D))`.
"""

import math
from statistics import NormalDist

import numpy as np


def log_mean_exp(dimension: int, sharpness: float) -> float:
    """`log E exp(sharpness * cos)` of two random unit vectors: how far a softmax of cosines is from a flat one.

    The logarithm of the hypergeometric function `0F1(; dimension / 2; sharpness^2 / 4)`, by its series.

    Args:
        dimension: D, of the embeddings.
        sharpness: what the cosine is multiplied by, `1 / T` as a rule; not negative.

    Example:

    >>> round(log_mean_exp(64, 5.0), 3)  # near 5^2 / (2 * 64)
    0.195
    """
    if not sharpness:
        return 0.0
    term = np.arange(1, int(2 * sharpness) + 60)
    logs = np.cumsum(2 * math.log(0.5 * sharpness) - np.log(term) - np.log(0.5 * dimension + term - 1))
    return float(np.logaddexp.reduce(np.append(logs, 0.0)))


def mean_softplus(dimension: int, sharpness: float) -> float:
    """`E log(1 + exp(sharpness * cos))` of two random unit vectors, by the midpoint rule on the angle.

    Args:
        dimension: D, of the embeddings, at least 2.
        sharpness: what the cosine is multiplied by, not negative.

    Example:

    >>> round(mean_softplus(64, 0.0), 4)  # log 2
    0.6931
    """
    angles = (np.arange(4096) + 0.5) * (math.pi / 4096)
    weights = np.sin(angles) ** (dimension - 2)
    return float(np.sum(weights * np.logaddexp(0.0, sharpness * np.cos(angles))) / np.sum(weights))


def tilted_cosine(dimension: int, sharpness: float) -> float:
    """`E[cos exp(k cos)] / E[exp(k cos)]` at `k = sharpness`, the derivative of `log_mean_exp`; near `k / D`."""
    ratio = log_mean_exp(dimension + 2, sharpness) - log_mean_exp(dimension, sharpness)
    return sharpness / dimension * math.exp(ratio)


def log_tail_exp(dimension: int, sharpness: float, fraction: float) -> float:
    """`log E[exp(sharpness * cos); cos among the largest fraction of all]`, with cosines taken to be normal.

    With `s = 1 / sqrt(D)`, `k` the sharpness and `q` the quantile that the fraction leaves: `k^2 s^2 / 2 + log P(x > q
    - k s)` of a standard normal x. At the fraction 1 it is `log_mean_exp`, but for the normal approximation.
    """
    spread = sharpness / math.sqrt(dimension)
    if fraction >= 1.0:
        return 0.5 * spread**2
    normal = NormalDist()
    share = normal.cdf(spread - normal.inv_cdf(1.0 - fraction))
    return 0.5 * spread**2 + math.log(max(share, 1e-300))


def largest_cosines(dimension: int, count: int, largest: int) -> np.ndarray:
    """The expected `largest` of `count` random cosines, in descending order: normal quantiles (Blom), over sqrt(D)."""
    ranks = np.arange(1, largest + 1)
    normal = NormalDist()
    quantiles = [normal.inv_cdf(1.0 - (rank - 0.375) / (count + 0.25)) for rank in ranks]
    return np.asarray(quantiles) / math.sqrt(dimension)


def widest_gap(count: int) -> float:
    """`N / (N - 1)`: how far the mean cosine of N pairs can lie above that of their negatives.

    The pairs then stand at the corners of a simplex. It holds for the mean over all anchors, because the squared norm
    of a sum of embeddings is not negative, and for queries and keys that are different vectors.
    """
    return count / (count - 1)


def lowest_cross_entropy(negatives: float, temperature: float, gap: float = 2.0) -> float:
    """`log(1 + negatives * exp(-gap / T))`: what the cross-entropy of a positive among negatives cannot go below.

    `gap` is the most by which the positive's cosine can exceed the negatives', on average; 2 (default) always holds.
    """
    return math.log1p(negatives * math.exp(-gap / temperature))


def nuclear_norm_of_noise(rows: int, columns: int, row_norm: float = 1.0) -> float:
    """The expected nuclear norm of a random matrix whose rows have the length `row_norm` (Marchenko and Pastur's law).

    `row_norm / sqrt(columns) * sqrt(m) * n * E[s]` with m the longer side, n the shorter, and the mean over singular
    values `s` of the density `sqrt((b^2 - s^2)(s^2 - a^2)) / (pi y s)` on `[a, b] = [1 - sqrt(y), 1 + sqrt(y)]`,
    `y = n / m`.
    """
    short, long = sorted((rows, columns))
    ratio = short / long
    low, high = 1.0 - math.sqrt(ratio), 1.0 + math.sqrt(ratio)
    # Midpoints in the angle: the density's square roots at both ends do no harm.
    angle = (np.arange(400) + 0.5) * math.pi / 400
    s = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
    density = np.sqrt(np.maximum((high**2 - s**2) * (s**2 - low**2), 0.0)) / (math.pi * ratio * s)
    width = 0.5 * (high - low) * np.sin(angle) * math.pi / 400
    mean = float(np.sum(s * density * width) / np.sum(density * width))
    return row_norm / math.sqrt(columns) * math.sqrt(long) * short * mean
