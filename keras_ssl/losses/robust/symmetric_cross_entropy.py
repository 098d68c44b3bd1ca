"""Symmetric cross-entropy, a baseline among losses for noisy labels."""

import math
from typing import Any

import keras

from keras_ssl.losses.robust.class_logits import LabelLoss, class_logits, rival_margin
from keras_ssl.typing import Tensor

__all__ = ["SymmetricCrossEntropy", "symmetric_cross_entropy"]


def _checked(alpha: float, beta: float, log_zero: float) -> None:
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not (value >= 0.0 and math.isfinite(value)):
            raise ValueError(f"`{name}` must be 0 or more, and finite. Received: {name}={value}")
    if not (log_zero < 0.0 and math.isfinite(log_zero)):
        raise ValueError(f"`log_zero` must be negative and finite. Received: log_zero={log_zero}")


def symmetric_cross_entropy(
    logits: Tensor, labels: Tensor, alpha: float = 0.1, beta: float = 1.0, log_zero: float = -4.0
) -> Tensor:
    """Cross-entropy plus reverse cross-entropy, in which prediction and label change places.

    `alpha * CE + beta * RCE`, where `CE = -log p_y` and `RCE = -sum_k p_k log q_k` with the one-hot label `q` and
    `log 0` replaced by `log_zero`: `RCE = -log_zero * (1 - p_y)`.

    Args:
        logits: `[N, K]`; `p` is their softmax.
        labels: class numbers y, integers `[N]`.
        alpha: weight of CE, 0 or more. Defaults to 0.1, the paper's for CIFAR-10.
        beta: weight of RCE, 0 or more. Defaults to 1, the paper's for CIFAR-10.
        log_zero: the value of `log 0`, negative. Defaults to -4, the paper's.

    Returns:
        The loss of each sample, float32 `[N]`.

    Raises:
        ValueError: if a weight is negative, `log_zero` is not, a shape is wrong, or a label is no class.

    Example:

    >>> round(float(symmetric_cross_entropy(keras.ops.array([[0.0, 0.0]]), keras.ops.array([1]))[0]), 4)
    2.0693

    Reference:
        Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019.
    """
    _checked(alpha, beta, log_zero)
    logits, labels = class_logits(logits, labels)
    margin = rival_margin(logits, labels)
    return alpha * keras.ops.softplus(margin) - beta * log_zero * keras.ops.sigmoid(margin)


@keras.saving.register_keras_serializable(package="keras_ssl")
class SymmetricCrossEntropy(LabelLoss):
    """`symmetric_cross_entropy` for `compile(loss=...)`: labels are class numbers, predictions are logits.

    Args:
        alpha, beta, log_zero: as for `symmetric_cross_entropy`. Default to 0.1, 1 and -4.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Raises:
        ValueError: as `symmetric_cross_entropy`.

    Example:

    >>> round(float(SymmetricCrossEntropy(alpha=0.0)([0], [[0.0, 0.0]])), 4)
    2.0
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        reduction: str = "sum_over_batch_size",
        name: str = "symmetric_cross_entropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        _checked(alpha, beta, log_zero)
        self.alpha, self.beta, self.log_zero = float(alpha), float(beta), float(log_zero)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return symmetric_cross_entropy(y_pred, self.class_numbers(y_true), self.alpha, self.beta, self.log_zero)
