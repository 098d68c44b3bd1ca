"""A threshold of confidence from a mixture of two Gaussians."""

import math
from typing import Any

import numpy as np

from keras_ssl.losses.numeric import check_integer

__all__ = ["GMMThreshold"]

_LEAST_VARIANCE = 1e-8


class GMMThreshold:
    """Chooses, for the scores of pseudo-labels, a threshold between right and wrong ones, without labels.

    Two Gaussians are fitted to the scores by EM. It begins with the lowest and the highest score as their means, the
    variance of all scores, and even weights; the Gaussian of the higher mean stands for right pseudo-labels. With
    `policy="crossing"` the threshold is the point between the means from which on that Gaussian is the likelier one;
    with `policy="highest"` it is the score among those given at which its posterior is highest, the paper's stricter
    choice. For scores that do not spread, or fewer than `least` of them, the threshold is `default`. The paper is
    ambiguous about the start and the ties: both are this library's.

    It is better than a fixed threshold where that keeps too few, but not than none: in self-training on digits with 40
    labels (`benchmarks/proofs/gmm_threshold.py`, three seeds) accuracy is 0.849 with it, 0.819 with 0.95 for all
    classes, and 0.847 with all pseudo-labels, right or wrong.

    Args:
        default: threshold where nothing can be fitted, finite. Defaults to 0.9.
        policy: "crossing" (default) or "highest".
        iterations: most steps of EM, at least 1. Defaults to 100.
        least: fewest scores that are fitted, at least 2. Defaults to 10.

    Attributes:
        log_likelihoods: mean log-likelihood of the scores before each step of the last fit; it never falls.

    Raises:
        ValueError: if an argument is out of range, or (from the methods) scores are not finite.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> scores = np.concatenate([rng.normal(0.3, 0.05, 50), rng.normal(0.9, 0.05, 50)])
    >>> 0.4 < GMMThreshold().fit(scores) < 0.8
    True

    Reference: Wang et al., "Consistent-Teacher: Towards Reducing Inconsistent Pseudo-targets in Semi-supervised Object
    Detection", CVPR 2023.
    """

    def __init__(self, default: float = 0.9, policy: str = "crossing", iterations: int = 100, least: int = 10) -> None:
        if not math.isfinite(default):
            raise ValueError(f"`default` must be finite. Received: default={default}")
        if policy not in ("crossing", "highest"):
            raise ValueError(f'`policy` must be "crossing" or "highest". Received: policy={policy!r}')
        self.default, self.policy = float(default), policy
        self.iterations = check_integer("iterations", iterations, 1)
        self.least = check_integer("least", least, 2)
        self.log_likelihoods: list[float] = []

    def fit(self, scores: Any) -> float:
        """The threshold of scores `[N]`."""
        scores = np.asarray(scores, "float64")
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise ValueError(f"`scores` must be finite numbers [N]. Received: scores={scores}")
        self.log_likelihoods = []
        if len(scores) < self.least or np.ptp(scores) ** 2 <= _LEAST_VARIANCE:
            return self.default
        # Centered and scaled, so that a shift of all scores shifts the threshold.
        center, scale = scores.mean(), scores.std()
        means, variances, weights = self._mixture((scores - center) / scale)
        low, high = np.argsort(means, kind="stable")
        logs = [math.log(max(weights[k], 1e-300)) - 0.5 * math.log(variances[k]) for k in (low, high)]

        def difference(z: np.ndarray) -> np.ndarray:
            """Log of the likelihoods' ratio, of the higher Gaussian over the lower."""
            parts = [log - 0.5 * (z - means[k]) ** 2 / variances[k] for log, k in zip(logs, (low, high), strict=True)]
            return parts[1] - parts[0]

        if self.policy == "highest":
            return float(scores[np.argmax(difference((scores - center) / scale))])
        left, right = means[low], means[high]
        if not difference(left) < 0.0 < difference(right):
            return self.default
        for _ in range(60):
            middle = 0.5 * (left + right)
            left, right = (middle, right) if difference(middle) < 0.0 else (left, middle)
        return float(center + scale * 0.5 * (left + right))

    def fit_classes(self, scores: Any, labels: Any, classes: int) -> np.ndarray:
        """A threshold for each class, `[classes]`, from the scores `[N]` whose pseudo-label it is.

        Args:
            scores: `[N]`.
            labels: pseudo-labels from 0 to `classes` - 1, `[N]`.
            classes: number of classes, at least 1.
        """
        check_integer("classes", classes, 1)
        scores, labels = np.asarray(scores, "float64"), np.asarray(labels)
        if scores.shape != labels.shape:
            raise ValueError(f"`labels` must be as many as the scores, {scores.shape}. Received: labels={labels.shape}")
        return np.array([self.fit(scores[labels == kind]) for kind in range(classes)])

    def _mixture(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        means, variances, weights = np.array([z.min(), z.max()]), np.ones(2), np.full(2, 0.5)
        for _ in range(self.iterations):
            logs = np.log(np.maximum(weights, 1e-300)) - 0.5 * np.log(2 * np.pi * variances)
            logs = logs - 0.5 * (z[:, None] - means) ** 2 / variances
            top = logs.max(axis=1, keepdims=True)
            total = top + np.log(np.exp(logs - top).sum(axis=1, keepdims=True))
            self.log_likelihoods.append(float(total.mean()))
            shares = np.exp(logs - total)
            counts = np.maximum(shares.sum(axis=0), 1e-12)
            means = (shares * z[:, None]).sum(axis=0) / counts
            variances = np.maximum((shares * (z[:, None] - means) ** 2).sum(axis=0) / counts, _LEAST_VARIANCE)
            weights = counts / len(z)
            done = len(self.log_likelihoods) > 1 and self.log_likelihoods[-1] - self.log_likelihoods[-2] < 1e-10
            if done:
                break
        return means, variances, weights
