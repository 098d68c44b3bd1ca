"""Direct coverage optimization: the loss of a classifier that may guess N times."""

import math
from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.robust.class_logits import LabelLoss, class_logits, rival_margin
from keras_ssl.typing import Tensor

__all__ = ["DirectCoverageLoss", "coverage_factor", "direct_coverage_loss"]

_FAR = 15.0  # from here on log1p(exp(-m)) is exp(-m) (1 - exp(-m) / 2) to all digits of float64


def _log_one_minus_p(margin: Tensor) -> tuple[Tensor, Tensor]:
    """`s = -log(1 - p_y) = softplus(-m)` and its logarithm, which stays finite where `s` underflows."""
    ops = keras.ops
    near = ops.log(ops.softplus(-ops.minimum(margin, _FAR)))
    away = ops.maximum(margin, _FAR)
    far = -away - 0.5 * ops.exp(-away)
    return ops.softplus(-margin), ops.where(margin < _FAR, near, far)


def _log_mean_decay(a: Tensor) -> Tensor:
    """`log((1 - exp(-a)) / a)` for `0 <= a`, which is `-a / 2` near 0."""
    ops = keras.ops
    tiny = a < 1e-3
    safe = ops.where(tiny, ops.ones_like(a), a)
    return ops.where(tiny, -0.5 * a + ops.square(a) / 24.0, ops.log(-ops.expm1(-safe) / safe))


def direct_coverage_loss(logits: Tensor, labels: Tensor, attempts: int = 8) -> Tensor:
    r"""Minus the logarithm of the probability that at least one of N independent guesses is right.

        -log(1 - (1 - p_y)^N),      p = softmax(logits)

    Its gradient is that of cross-entropy times `F = N p_y (1 - p_y)^(N - 1) / (1 - (1 - p_y)^N)` (`coverage_factor`),
    which is 1 for small `p_y` and vanishes once `p_y` is high: a sample that N guesses will solve is left alone, so
    confidence stays limited. With N = 1 it is cross-entropy. It is computed from logits without forming
    `(1 - p_y)^N`, so that it is exact for `p_y` near 0 and near 1.

    Args:
        logits: `[N, K]`.
        labels: class numbers y, integers `[N]`.
        attempts: the number of guesses, at least 1. Defaults to 8. (The paper takes the N that is used at test time.)

    Returns:
        The loss of each sample, float32 `[N]`, at least 0. In compiled code it is NaN where a label is no class.

    Raises:
        ValueError: if `attempts` is no positive integer, a shape is wrong, or a label is no class.

    Example:

    >>> logits, labels = keras.ops.array([[0.0, 0.0]]), keras.ops.array([1])
    >>> [round(float(direct_coverage_loss(logits, labels, n)[0]), 4) for n in (1, 2)]  # log 2, -log 0.75
    [0.6931, 0.2877]

    Reference:
        Chen et al., "Rethinking Fine-Tuning when Scaling Test-Time Compute: Limiting Confidence Improves Mathematical
        Reasoning", NeurIPS 2025.
    """
    attempts = check_integer("attempts", attempts, 1)
    ops = keras.ops
    logits, labels = class_logits(logits, labels)
    margin = rival_margin(logits, labels)
    if attempts == 1:
        return ops.softplus(margin)
    missed, log_missed = _log_one_minus_p(margin)
    a = attempts * missed  # (1 - p)^N = exp(-a)
    likely = a > math.log(2.0)
    below, above = ops.where(likely, ops.zeros_like(a), a), ops.where(likely, a, ops.ones_like(a))
    unlikely_loss = -(math.log(attempts) + log_missed) - _log_mean_decay(below)
    return ops.where(likely, -ops.log1p(-ops.exp(-above)), unlikely_loss)


def coverage_factor(logits: Tensor, labels: Tensor, attempts: int = 8) -> Tensor:
    """The ratio F of the gradient of `direct_coverage_loss` to that of cross-entropy, in [0, 1], without a gradient.

    `F = N p_y (1 - p_y)^(N - 1) / (1 - (1 - p_y)^N)`: 1 for `p_y` near 0, 0 for `p_y` near 1 and `N > 1`.

    Args:
        logits, labels, attempts: as for `direct_coverage_loss`.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: as `direct_coverage_loss`.

    Example:

    >>> round(float(coverage_factor(keras.ops.array([[0.0, 0.0]]), keras.ops.array([1]), attempts=2)[0]), 4)
    0.6667
    """
    attempts = check_integer("attempts", attempts, 1)
    ops = keras.ops
    logits, labels = class_logits(logits, labels)
    margin = ops.stop_gradient(rival_margin(logits, labels))
    missed, log_missed = _log_one_minus_p(margin)
    a = attempts * missed
    # p (1-p)^(N-1) N / (1 - (1-p)^N), in logarithms: log p = -softplus(m).
    log_hit = ops.where(
        a > math.log(2.0),
        ops.log1p(-ops.exp(-ops.maximum(a, math.log(2.0)))),
        math.log(attempts) + log_missed + _log_mean_decay(ops.minimum(a, math.log(2.0))),
    )
    log_factor = math.log(attempts) - ops.softplus(margin) - (attempts - 1) * missed - log_hit
    return ops.minimum(ops.exp(log_factor), 1.0)


@keras.saving.register_keras_serializable(package="keras_ssl")
class DirectCoverageLoss(LabelLoss):
    """`direct_coverage_loss` for `compile(loss=...)`: labels are class numbers, predictions are logits.

    Args:
        attempts: as for `direct_coverage_loss`. Defaults to 8.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Raises:
        ValueError: if `attempts` is no positive integer.

    Example:

    >>> round(float(DirectCoverageLoss(attempts=2)([1], [[0.0, 0.0]])), 4)
    0.2877
    """

    def __init__(
        self,
        attempts: int = 8,
        reduction: str = "sum_over_batch_size",
        name: str = "direct_coverage_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.attempts = check_integer("attempts", attempts, 1)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return direct_coverage_loss(y_pred, self.class_numbers(y_true), self.attempts)
