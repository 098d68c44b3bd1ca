"""Identities from tracks: which tracks show the same one."""

import numpy as np

from keras_ssl.losses.metric.checks import check_finite_number, check_weight
from keras_ssl.typing import Tensor

__all__ = ["correlate_identities", "identity_noise"]


def identity_noise(features: Tensor, identities: Tensor, weight: float = 1.0) -> float:
    r"""How noisy a labeling by identity is: too little alike within, too much alike between.

    With unit features and the normalized means (centers) of the identities:
    `mean_i ( 1 - cos(x_i, own center) ) + weight * mean_i max(0, largest cos(x_i, another center))`.

    It is 0 where all samples of an identity are one direction, at right angles (or more) to all others. A labeling of
    one identity has no second part. The paper's notion of noise has these two parts; their form is our choice.

    Args:
        features: `[N, D]`.
        identities: integers `[N]`; samples of a negative identity are left out.
        weight: of the part between identities, not negative. Defaults to 1.

    Returns:
        The noise, at least 0.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, no sample has an identity or `weight` is negative.

    Example:

    >>> identity_noise([[1.0, 0.0], [0.0, 1.0]], [0, 1]), identity_noise([[1.0, 0.0], [1.0, 0.0]], [0, 1])
    (0.0, 1.0)

    Reference:
        Zuo et al., "Cross-video Identity Correlating for Person Re-identification Pre-training", NeurIPS 2024.
    """
    check_weight("weight", weight)
    unit, names = _checked(features, "identities", identities)
    kept = names >= 0
    if not kept.any():
        raise ValueError("`identities` must hold at least one that is not negative. Received: identities of -1 alone")
    return _noise(unit[kept], np.unique(names[kept], return_inverse=True)[1], weight)


def correlate_identities(
    features: Tensor, tracks: Tensor, weight: float = 1.0, least_cosine: float = 0.0
) -> np.ndarray:
    """Finds which tracks, of one or several videos, show the same identity, and which samples fit nowhere.

    Two levels of denoising: within a track, samples whose cosine with the track's center is below `least_cosine` are
    taken out; then the tracks' centers are merged step by step, the two most alike groups first (mean linkage of
    cosines), and of all these labelings the one of the least `identity_noise` is returned.

    Args:
        features: of any encoder, `[N, D]`.
        tracks: the track of each sample, integers `[N]`; samples of a negative track are left out.
        weight: as for `identity_noise`: the larger, the fewer identities. Defaults to 1.
        least_cosine: of a sample with the center of its track, in [-1, 1]. Defaults to 0.

    Returns:
        The identity of each sample, int64 `[N]`, numbered from 0 in the order of the samples; -1 for those taken out.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, or a number is out of range.

    Example:

    >>> features = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.9, 0.0]]
    >>> correlate_identities(features, tracks=[0, 0, 1, 2]).tolist()
    [0, 0, 1, 0]

    Reference:
        Zuo et al., "Cross-video Identity Correlating for Person Re-identification Pre-training", NeurIPS 2024.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    check_weight("weight", weight)
    if not -1.0 <= check_finite_number("least_cosine", least_cosine) <= 1.0:
        raise ValueError(f"`least_cosine` must lie in [-1, 1]. Received: least_cosine={least_cosine}")
    unit, names = _checked(features, "tracks", tracks)
    kept = np.flatnonzero(names >= 0)
    if len(kept):
        numbers = np.unique(names[kept], return_inverse=True)[1]
        own = np.sum(unit[kept] * _centers(unit[kept], numbers)[numbers], axis=1)
        kept = kept[own >= least_cosine]
    found = np.full(len(names), -1, np.int64)
    if not len(kept):
        return found
    rows, numbers = unit[kept], np.unique(names[kept], return_inverse=True)[1]
    best = numbers
    if numbers.max() > 0:
        tree = linkage(pdist(_centers(rows, numbers), "cosine"), "average")
        labelings = [fcluster(tree, count, "maxclust")[numbers] for count in range(1, numbers.max() + 2)]
        noises = [_noise(rows, np.unique(each, return_inverse=True)[1], weight) for each in labelings]
        # Of labelings that are equally good but for rounding, the one of the fewest identities.
        best = labelings[int(np.flatnonzero(np.array(noises) <= min(noises) + 1e-9)[0])]
    _, first, inverse = np.unique(best, return_index=True, return_inverse=True)
    found[kept] = np.argsort(np.argsort(first))[inverse]
    return found


def _checked(features: Tensor, name: str, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Unit features, and labels."""
    z, numbers = np.asarray(features, np.float64), np.asarray(labels)
    if z.ndim != 2 or not np.isfinite(z).all():
        raise ValueError(f"`features` must be finite numbers [N, D]. Received: features.shape={z.shape}")
    if numbers.shape != (len(z),) or numbers.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must hold an integer for each sample. "
            f"Received: {name}.shape={numbers.shape}, {name}.dtype={numbers.dtype}"
        )
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12), numbers


def _centers(unit: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The normalized sums of unit rows by number, from 0."""
    sums = np.zeros((int(numbers.max()) + 1, unit.shape[1]))
    np.add.at(sums, numbers, unit)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def _noise(unit: np.ndarray, numbers: np.ndarray, weight: float) -> float:
    cosines = unit @ _centers(unit, numbers).T
    rows = np.arange(len(unit))
    within = np.mean(1.0 - cosines[rows, numbers])
    if cosines.shape[1] == 1:
        return float(max(within, 0.0))
    others = cosines.copy()
    others[rows, numbers] = -np.inf
    return float(max(within, 0.0) + weight * np.mean(np.maximum(others.max(axis=1), 0.0)))
