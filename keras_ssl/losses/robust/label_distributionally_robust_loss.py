"""Label-distributionally robust loss: the worst weighting of a sample's margins, and its adaptive version."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.robust.class_logits import LabelLoss, class_logits, is_true_class
from keras_ssl.typing import Tensor

__all__ = [
    "LabelDistributionallyRobustLoss",
    "adaptive_temperatures",
    "label_distributionally_robust_loss",
]

_SMALLEST, _LARGEST = 1e-30, 1e30  # beyond them margins over lambda leave float32, and the limit is exact


def _check_margin(margin: Any) -> None:
    values = np.asarray(margin, dtype="float64")
    if values.ndim not in (0, 2) or not np.isfinite(values).all():
        raise ValueError(f"`margin` must be a finite number or a matrix [K, K]. Received: margin={margin}")


def _check(temperature: float, alpha: float | None, steps: int) -> None:
    if alpha is None and not temperature >= 0.0:
        raise ValueError(f"`temperature` must be 0 or more (inf is taken). Received: temperature={temperature}")
    if alpha is not None:
        if not alpha > 1.0:
            raise ValueError(f"`alpha` must be greater than 1, or None. Received: alpha={alpha}")
        if not 0.0 < temperature < math.inf:
            raise ValueError(
                f"`temperature` must be positive and finite where `alpha` is given. Received: temperature={temperature}"
            )
    check_integer("steps", steps, 1)


def label_distributionally_robust_loss(
    logits: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    margin: Any = 0.0,
    alpha: float | None = None,
    steps: int = 10,
) -> Tensor:
    r"""The greatest mean margin over all weights of the classes that are near uniform.

    With the margins `d_k = f_k - f_y + c_k`, `c_k = margin` for `k != y` and `c_y = 0`, and `l` the temperature:

        max_p  sum_k p_k d_k - l KL(p || uniform)  =  l log( (1 / K) sum_k exp(d_k / l) )

    where p runs over distributions of the K classes; the maximum is at `p = softmax(d / l)`. With `margin = 0`:
    `l = 1` is cross-entropy minus `log K`; `l -> 0` is `max_k d_k` (Crammer and Singer's); `l -> inf` is
    `mean_k d_k`. Both limits are taken exactly at `temperature=0` and `temperature=inf`.

    With `alpha` it is the adaptive loss, whose temperature is the sample's own. `l0` is then `temperature`:

        max_p max_l  sum_k p_k d_k - l KL(p || uniform) - (alpha log K / (2 l0)) (l - l0)^2

    Alternating exact steps in `p = softmax(d / l)` and `l = l0 (1 - KL(p || uniform) / (alpha log K))` from `l = l0`
    raise it until both hold; `l` stays in `[l0 (1 - 1 / alpha), l0]`. p and l carry no gradient, which is then exact
    (envelope theorem). The authors keep each sample's `l` between epochs and take one step at each visit; here all
    `steps` are taken at once, so that the loss has no state. `alpha -> inf` is the plain loss.

    Args:
        logits: f, `[N, K]`. The authors normalize the scores of a sample first; here they are taken as they are.
        labels: class numbers y, integers `[N]`.
        temperature: `l`, 0 or more. Defaults to 1.
        margin: a number, or a matrix `c[y, k]` `[K, K]`, taken as it is, diagonal too. Defaults to 0.
        alpha: above 1; None (default) is the plain loss. The authors' code takes 2.
        steps: alternations of the adaptive loss, at least 1. Defaults to 10.

    Returns:
        The loss of each sample, float32 `[N]`. In compiled code it is NaN where a label is no class.

    Raises:
        ValueError: if an argument is out of range, a shape is wrong, or a label is no class.

    Example:

    >>> logits, labels = keras.ops.array([[1.0, 3.0, 0.0]]), keras.ops.array([0])
    >>> [round(float(label_distributionally_robust_loss(logits, labels, t)[0]), 4) for t in (0, 1, float("inf"))]
    [2.0, 1.0712, 0.3333]

    Reference:
        Zhu, Ying and Yang, "Label Distributionally Robust Losses for Multi-class Classification: Consistency,
        Robustness and Adaptivity", ICML 2023.
    """
    _check(temperature, alpha, steps)
    ops = keras.ops
    margins = _margins(logits, labels, margin)
    if alpha is None or alpha == math.inf:
        return _soft_maximum(margins, temperature)
    found = adaptive_temperatures(margins, temperature, alpha, steps)
    weight = alpha * math.log(margins.shape[1]) / (2.0 * temperature)
    return _soft_maximum(margins, found[:, None]) - weight * ops.square(found - temperature)


def adaptive_temperatures(margins: Tensor, temperature: float, alpha: float, steps: int = 10) -> Tensor:
    """The temperatures of the adaptive loss: high where a sample's margins say little, low where one class leads.

    Args:
        margins: d, `[N, K]`.
        temperature: `l0`, positive and finite; the start, and the greatest value.
        alpha: above 1.
        steps: alternations, at least 1. Defaults to 10.

    Returns:
        `l`, `[N]`, in `[l0 (1 - 1 / alpha), l0]`, without a gradient.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> margins = keras.ops.array([[0.0, 0.0], [0.0, 50.0]])
    >>> [round(float(t), 4) for t in adaptive_temperatures(margins, temperature=1.0, alpha=2.0)]
    [1.0, 0.5]
    """
    _check(temperature, alpha, steps)
    ops = keras.ops
    margins = ops.stop_gradient(as_float(margins))
    most = math.log(margins.shape[1])
    found = temperature * ops.ones_like(margins[:, 0])
    for _ in range(int(steps)):
        log_p = ops.log_softmax(margins / found[:, None], axis=1)
        # As a sum of products p log p: a p that rounds to 0 has a finite logarithm, because log_softmax keeps it.
        divergence = ops.clip(most + ops.sum(ops.exp(log_p) * log_p, axis=1), 0.0, most)
        found = temperature * (1.0 - divergence / (alpha * most))
    return found


def _margins(logits: Tensor, labels: Tensor, margin: Any) -> Tensor:
    """`f_k - f_y + c_k`, `[N, K]`."""
    ops = keras.ops
    _check_margin(margin)
    logits, labels = class_logits(logits, labels)
    true = is_true_class(logits, labels)
    own = ops.sum(ops.where(true, logits, ops.zeros_like(logits)), axis=1, keepdims=True)
    if np.ndim(margin) == 0:
        return logits - own + float(margin) * (1.0 - ops.cast(true, logits.dtype))
    classes = logits.shape[1]
    if np.shape(margin) != (classes, classes):
        raise ValueError(f"`margin` must be [K, K] for K={classes}. Received: margin.shape={np.shape(margin)}")
    known = ops.clip(labels, 0, classes - 1)
    return logits - own + ops.take(ops.convert_to_tensor(np.asarray(margin), logits.dtype), known, axis=0)


def _soft_maximum(margins: Tensor, temperature: Any) -> Tensor:
    """`l log mean_k exp(d_k / l)`, from differences to the greatest margin, by `log1p` and `expm1`.

    So no digits are lost for large l, where it is a mean plus a small correction, and nothing overflows for small l.
    """
    ops = keras.ops
    if isinstance(temperature, int | float):
        if temperature < _SMALLEST:
            return ops.max(margins, axis=1)
        if temperature > _LARGEST:
            return ops.mean(margins, axis=1)
    highest = ops.stop_gradient(ops.max(margins, axis=1, keepdims=True))
    mean = ops.mean(ops.expm1((margins - highest) / temperature), axis=1)
    scale = temperature if isinstance(temperature, int | float) else temperature[:, 0]
    return highest[:, 0] + scale * ops.log1p(mean)


@keras.saving.register_keras_serializable(package="keras_ssl")
class LabelDistributionallyRobustLoss(LabelLoss):
    """`label_distributionally_robust_loss` for `compile(loss=...)`: labels are class numbers, predictions are logits.

    Args:
        temperature, margin, alpha, steps: as for `label_distributionally_robust_loss`. Default to 1, 0, None and 10.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> loss = LabelDistributionallyRobustLoss(temperature=1.0)
    >>> round(float(loss([0], [[0.0, 0.0]])), 4)  # cross-entropy minus log 2
    0.0
    """

    def __init__(
        self,
        temperature: float = 1.0,
        margin: Any = 0.0,
        alpha: float | None = None,
        steps: int = 10,
        reduction: str = "sum_over_batch_size",
        name: str = "label_distributionally_robust_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        _check(temperature, alpha, steps)
        _check_margin(margin)
        self.temperature, self.alpha, self.steps = float(temperature), alpha, int(steps)
        self.margin = float(margin) if np.ndim(margin) == 0 else np.asarray(margin, "float64").tolist()

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return label_distributionally_robust_loss(
            y_pred, self.class_numbers(y_true), self.temperature, self.margin, self.alpha, self.steps
        )

    def get_config(self) -> dict[str, Any]:
        own = {"temperature": self.temperature, "margin": self.margin, "alpha": self.alpha, "steps": self.steps}
        return {**super().get_config(), **own}
