"""Temperature scaling, the plain calibrator."""

import math

import numpy as np
from scipy.optimize import brentq

from keras_ssl.evaluation.calibration.probabilities import as_labels, as_matrix, softmax
from keras_ssl.typing import Tensor

__all__ = ["TemperatureScaling"]


class TemperatureScaling:
    """Divides all logits by one temperature, the one with the least cross-entropy on held-out samples.

    `softmax(f / T)`: predictions keep their class, only confidence changes; `T > 1` lowers it. Cross-entropy is convex
    in `1 / T`, so that the root of its derivative is the minimum, found to the last digits.

    Args:
        lowest, highest: limits of T. Default to 0.01 and 100. A limit is reached where all samples are right (the
            lower), or confidence says nothing (the upper).

    Attributes (after `fit`):
        temperature_: T.

    Raises:
        ValueError: if the limits are not positive, finite and in order.

    Example:

    >>> calibrator = TemperatureScaling().fit([[4.0, 0.0]] * 4, [0, 0, 0, 1])  # 3 of 4 are right
    >>> calibrator([[4.0, 0.0]]).round(4).tolist()
    [[0.75, 0.25]]

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    temperature_: float

    def __init__(self, lowest: float = 0.01, highest: float = 100.0) -> None:
        if not 0.0 < lowest < highest < math.inf:
            raise ValueError(
                "`lowest` and `highest` must be positive, finite and in order. "
                f"Received: lowest={lowest}, highest={highest}"
            )
        self.lowest, self.highest = float(lowest), float(highest)

    def fit(self, logits: Tensor, labels: Tensor) -> "TemperatureScaling":
        """Finds the temperature.

        Args:
            logits: of held-out samples, `[N, K]`.
            labels: their class numbers, integers `[N]`.

        Returns:
            This object.

        Raises:
            ValueError: if a shape is wrong, a logit is not finite, or a label is no class.
        """
        f = as_matrix("logits", logits)
        y = as_labels(labels, *f.shape)
        f = f - f[np.arange(len(y)), y][:, None]

        def slope(log_scale: float) -> float:
            """The derivative of cross-entropy by 1 / T: the mean logit less the label's."""
            return float(np.mean(np.sum(softmax(f * math.exp(log_scale)) * f, axis=1)))

        low, high = -math.log(self.highest), -math.log(self.lowest)
        if slope(low) >= 0.0:
            log_scale = low
        elif slope(high) <= 0.0:
            log_scale = high
        else:
            log_scale = brentq(slope, low, high, xtol=1e-12)
        self.temperature_ = math.exp(-log_scale)
        return self

    def __call__(self, logits: Tensor) -> np.ndarray:
        """Calibrated probabilities.

        Args:
            logits: `[N, K]`.

        Returns:
            `softmax(logits / T)`, float64 `[N, K]`.

        Raises:
            ValueError: if it has not been fitted, or a shape is wrong.
        """
        if not hasattr(self, "temperature_"):
            raise ValueError("`fit` must be called first. Received: no temperature")
        return softmax(as_matrix("logits", logits) / self.temperature_)
