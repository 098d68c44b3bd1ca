"""Where a loss is going: an exponential fitted to its first steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.schedules.steps import check_rate

__all__ = ["ExponentialLoss", "fit_exponential_loss"]


@dataclass(frozen=True)
class ExponentialLoss:
    """A loss over steps, `a * exp(-b * t) + c`.

    Args:
        a: what is still to be lost at step 0; negative for a loss that rises.
        b: rate of the fall per step, positive.
        c: the loss in the end.

    Example:

    >>> loss = ExponentialLoss(a=2.0, b=0.5, c=1.0)
    >>> float(loss(0.0))
    3.0
    """

    a: float
    b: float
    c: float

    def __call__(self, step: Any) -> Any:
        """The loss at a step, or at an array of steps."""
        return self.a * np.exp(-self.b * np.asarray(step, "float64")) + self.c


def fit_exponential_loss(losses: Any, steps: Any = None, slowest: float = 1e-3) -> ExponentialLoss:
    """Fits `L(t) = a * exp(-b * t) + c` to losses, to forecast them.

        minimize over a, b, c:  sum over i of (losses_i - a * exp(-b * steps_i) - c) ** 2

    For each `b` the best `a` and `c` are a linear regression, so the search is over one number: a grid of its
    logarithm, then the golden section around the best point, then Gauss-Newton steps. Losses without noise give the
    three numbers back up to rounding; constant losses give `a = 0`.

    Args:
        losses: `[N]`, finite, N at least 3.
        steps: at which they were measured, `[N]`, increasing. Defaults to None: 0 to N - 1.
        slowest: the smallest `b` considered, times the time from the first to the last of `steps`; positive. A larger
            one keeps a noisy line from being prolonged far below the losses seen. Defaults to 1e-3.

    Returns:
        An `ExponentialLoss`, which is called with a step.

    Raises:
        ValueError: if the arrays do not fit, or hold NaN or infinity.

    Example:

    >>> t = np.arange(10)
    >>> fitted = fit_exponential_loss(2.0 * np.exp(-0.3 * t) + 0.5)
    >>> round(fitted.a, 6), round(fitted.b, 6), round(fitted.c, 6)
    (2.0, 0.3, 0.5)

    Reference: Jin et al., "AutoLRS: automatic learning-rate schedule by Bayesian optimization on the fly", ICLR 2021,
    https://arxiv.org/abs/2105.10762.
    """
    values = np.asarray(losses, "float64")
    if values.ndim != 1 or len(values) < 3 or not np.isfinite(values).all():
        raise ValueError(f"`losses` must be 3 finite numbers or more. Received: losses={losses!r}")
    times = np.arange(len(values), dtype="float64") if steps is None else np.asarray(steps, "float64")
    if times.shape != values.shape or not np.isfinite(times).all() or not (np.diff(times) > 0.0).all():
        raise ValueError(f"`steps` must be as many as `losses`, and increase. Received: steps={steps!r}")
    check_rate("slowest", slowest)
    first, span = times[0], times[-1] - times[0]
    low, high = values.min(), values.max()
    if low == high:
        return ExponentialLoss(0.0, 1.0 / span, float(low))
    # In units in which time runs from 0 to 1, and losses too.
    unit, scaled = (times - first) / span, (values - low) / (high - low)
    fastest = max(50.0 / np.diff(unit).min(), 2.0 * slowest)
    grid = np.linspace(np.log(slowest), np.log(fastest), 400)
    errors = [_linear(b, unit, scaled)[2] for b in grid]
    best = int(np.argmin(errors))
    logarithm = _golden(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], unit, scaled)
    a, b, c = _polish(logarithm, unit, scaled, slowest)
    rate = b / span
    return ExponentialLoss(float(a * (high - low) * np.exp(rate * first)), float(rate), float(c * (high - low) + low))


def _linear(logarithm: float, times: np.ndarray, values: np.ndarray) -> tuple[float, float, float]:
    """The best a and c for a b, and the sum of squares that they leave.

    The basis is (1 - exp(-b t)) / (1 - exp(-b)) instead of exp(-b t), which for a small b is hardly distinct from 1.
    """
    b = np.exp(logarithm)
    basis = np.expm1(-b * times) / np.expm1(-b)
    centered = basis - basis.mean()
    slope = centered @ (values - values.mean()) / (centered @ centered)
    intercept = values.mean() - slope * basis.mean()
    left = values - intercept - slope * basis
    return float(-slope / -np.expm1(-b)), float(intercept + slope / -np.expm1(-b)), float(left @ left)


def _golden(low: float, high: float, times: np.ndarray, values: np.ndarray) -> float:
    """The logarithm of b between two others, by the golden section."""
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    errors = [_linear(left, times, values)[2], _linear(right, times, values)[2]]
    for _ in range(60):
        if errors[0] <= errors[1]:
            high, right = right, left
            left = high - ratio * (high - low)
            errors = [_linear(left, times, values)[2], errors[0]]
        else:
            low, left = left, right
            right = low + ratio * (high - low)
            errors = [errors[1], _linear(right, times, values)[2]]
    return float(0.5 * (low + high))


def _polish(logarithm: float, times: np.ndarray, values: np.ndarray, slowest: float) -> tuple[float, float, float]:
    """Gauss-Newton steps in all three numbers: a search by values alone finds half of the digits."""
    b = float(np.exp(logarithm))
    a, c, error = _linear(logarithm, times, values)
    for _ in range(20):
        decay = np.exp(-b * times)
        jacobian = np.stack([decay, -a * times * decay, np.ones_like(times)], axis=1)
        step = np.linalg.lstsq(jacobian, values - a * decay - c, rcond=None)[0]
        a_new, b_new, c_new = a + step[0], b + step[1], c + step[2]
        if not b_new >= slowest:
            break
        left = values - a_new * np.exp(-b_new * times) - c_new
        if not left @ left < error:
            break
        a, b, c, error = a_new, b_new, c_new, float(left @ left)
    return a, b, c
