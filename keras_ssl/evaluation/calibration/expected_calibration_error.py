"""The expected calibration error, and the reliability curve from which it is computed."""

from typing import NamedTuple

import numpy as np

from keras_ssl.evaluation.calibration.probabilities import as_labels, as_probabilities, check_count
from keras_ssl.typing import Tensor

__all__ = ["ReliabilityCurve", "expected_calibration_error", "reliability_curve"]


class ReliabilityCurve(NamedTuple):
    """Confidence and accuracy by bins of confidence.

    Attributes:
        confidence: mean confidence of each bin's samples, `[B]`; NaN where the bin is empty.
        accuracy: share of each bin's samples that are classified correctly, `[B]`; NaN where the bin is empty.
        samples: how many samples each bin holds, `[B]`.
        edges: the bins' limits, `[B + 1]`.

    Example:

    >>> curve = reliability_curve([[0.9, 0.1], [0.6, 0.4]], [0, 1], bins=2)
    >>> isinstance(curve, ReliabilityCurve), curve.edges.tolist()
    (True, [0.0, 0.5, 1.0])
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    samples: np.ndarray
    edges: np.ndarray


def reliability_curve(
    probabilities: Tensor, labels: Tensor, bins: int = 15, strategy: str = "uniform"
) -> ReliabilityCurve:
    """What a reliability diagram shows: accuracy against confidence.

    A sample's confidence is its greatest probability; it is right if the class of that is its label (the first of
    equals). Bin b holds confidences in `(edge_b, edge_b+1]`; a confidence of 0 would fall into the first.

    Args:
        probabilities: predicted distributions, `[N, K]`.
        labels: class numbers, integers `[N]`.
        bins: number B of bins. Defaults to 15.
        strategy: "uniform": bins of width 1 / B; or "quantile": bins of about the same number of samples, whose edges
            are quantiles of the confidences (equal edges leave a bin empty). Defaults to "uniform".

    Returns:
        A `ReliabilityCurve`.

    Raises:
        ValueError: if rows are no distributions, a label is no class, or an option is unknown or out of range.

    Example:

    >>> curve = reliability_curve([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], [0, 1, 1], bins=2)
    >>> curve.samples.tolist(), curve.accuracy.round(3).tolist(), curve.confidence.round(3).tolist()
    ([0, 3], [nan, 0.667], [nan, 0.767])

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    p = as_probabilities("probabilities", probabilities)
    y = as_labels(labels, *p.shape)
    bins = check_count("bins", bins)
    confidence = np.clip(p.max(axis=1), 0.0, 1.0)
    right = p.argmax(axis=1) == y
    if strategy == "uniform":
        edges = np.linspace(0.0, 1.0, bins + 1)
    elif strategy == "quantile":
        edges = np.quantile(confidence, np.linspace(0.0, 1.0, bins + 1))
        edges[0], edges[-1] = 0.0, 1.0
    else:
        raise ValueError(f'`strategy` must be "uniform" or "quantile". Received: strategy={strategy!r}')
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, confidence, bins) / count
        accuracy = np.bincount(place, right, bins) / count
    return ReliabilityCurve(mean, accuracy, count, edges)


def expected_calibration_error(
    probabilities: Tensor, labels: Tensor, bins: int = 15, strategy: str = "uniform", norm: float = 1.0
) -> float:
    """How far confidence is from accuracy, on average over samples.

    `(sum_b (n_b / N) |accuracy_b - confidence_b|^norm)^(1 / norm)` over the bins of `reliability_curve`; for
    `norm=inf` the greatest gap of a bin, the maximum calibration error.

    Args:
        probabilities: predicted distributions, `[N, K]`.
        labels: class numbers, integers `[N]`.
        bins: number of bins. Defaults to 15.
        strategy: "uniform" or "quantile", as for `reliability_curve`. Defaults to "uniform".
        norm: at least 1, or inf. Defaults to 1.

    Returns:
        A number in [0, 1]; the lower, the better.

    Raises:
        ValueError: if rows are no distributions, a label is no class, or an option is unknown or out of range.

    Example:

    >>> round(expected_calibration_error([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], [0, 1, 1], bins=1), 4)
    0.1

    Reference:
        Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    if not norm >= 1.0:
        raise ValueError(f"`norm` must be at least 1, or inf. Received: norm={norm}")
    curve = reliability_curve(probabilities, labels, bins, strategy)
    held = curve.samples > 0
    gaps = np.abs(curve.accuracy[held] - curve.confidence[held])
    if norm == np.inf:
        return float(gaps.max())
    share = curve.samples[held] / curve.samples.sum()
    return float(np.sum(share * gaps**norm) ** (1.0 / norm))
