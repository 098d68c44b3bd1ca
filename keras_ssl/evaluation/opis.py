"""OPIS: how unevenly one threshold of similarity serves the classes."""

import numpy as np

from keras_ssl.evaluation.validation import as_features, l2_normalized, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["opis"]


def opis(
    features: Tensor,
    labels: Tensor,
    false_accept_range: tuple[float, float] = (0.01, 0.1),
    thresholds: int = 100,
) -> float:
    r"""Operating-point inconsistency: the variance of the classes' utility, averaged over a range of thresholds.

    Two samples are accepted as one class where their cosine is at least t. For each class c, with pairs of which at
    least one sample has the class, the utility is the harmonic mean of the two rates of right decisions,

    .. math:: U_c(t) = \frac{2 \, \phi_c \psi_c}{\phi_c + \psi_c}, \quad
        \phi_c = 1 - \mathrm{FAR}_c(t), \quad \psi_c = 1 - \mathrm{FRR}_c(t),

    and 0 where both are 0. The score is the mean over thresholds of `mean_c (U_c(t) - mean_c U_c(t))^2`. Thresholds
    are evenly spaced between those at which the false accept rate of all pairs together is the upper and the lower
    end of `false_accept_range`. It is 0 where all classes have the same distribution of scores, and does not depend
    on the names of the classes. A class of one sample has no pair to reject and is left out.

    Args:
        features: `[N, D]`, any floating type; normalized to unit length here, computed in float64. All pairs are in
            memory at a time.
        labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out.
        false_accept_range: lowest and highest false accept rate, in [0, 1]. Defaults to `(0.01, 0.1)`; the paper
            takes ranges of this kind, which depend on the use.
        thresholds: their number, at least 1. Defaults to 100.

    Returns:
        The score, 0 to 0.25; the lower, the better one threshold suits all classes.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity, a number is out of range, or fewer than two
            classes have two samples.

    Example:

    >>> opis([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], ["a", "a", "b", "b"])
    0.0

    Reference:
        Zhang et al., "Threshold-Consistent Margin Loss for Open-World Deep Metric Learning", ICLR 2024.
    """
    array, names = labeled_only("features", as_features("features", features), "labels", labels)
    thresholds = check_integer("thresholds", thresholds, 1)
    try:
        low, high = (float(rate) for rate in false_accept_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not 0.0 <= low <= high <= 1.0:
        raise ValueError(
            "`false_accept_range` must be two rates in order, in [0, 1]. "
            f"Received: false_accept_range={false_accept_range!r}"
        )
    classes, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(counts >= 2)
    if len(kept) < 2:
        raise ValueError(
            "At least two classes must have two samples. "
            f"Received: labels with {len(classes)} classes, {len(kept)} of which have two samples"
        )
    unit = l2_normalized(array.astype(np.float64))
    # Cosines that are equal but for rounding are equal: thresholds lie on cosines.
    cosines = np.round(np.clip(unit @ unit.T, -1.0, 1.0), 9)
    same = numbers[:, np.newaxis] == numbers
    first = np.triu(np.ones(same.shape, bool), 1)
    negative = np.sort(cosines[first & ~same])
    # The share of negatives at or above a threshold falls as it rises.
    ends = np.quantile(negative, [1.0 - high, 1.0 - low], method="higher")
    points = np.linspace(ends[0], ends[1], thresholds)
    utilities = np.empty((len(kept), thresholds))
    for row, number in enumerate(kept):
        own = numbers == number
        accepted_others = _accepted(cosines[own][:, ~own].ravel(), points)
        within = cosines[np.ix_(own, own)]
        accepted_own = _accepted(within[np.triu_indices(len(within), 1)], points)
        right, found = 1.0 - accepted_others, accepted_own
        total = right + found
        utilities[row] = np.where(total > 0, 2.0 * right * found / np.where(total > 0, total, 1.0), 0.0)
    return float(np.mean(np.var(utilities, axis=0)))


def _accepted(scores: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The share of scores at or above each point."""
    return 1.0 - np.searchsorted(np.sort(scores), points, side="left") / len(scores)
