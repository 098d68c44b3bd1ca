"""Comp-sum losses: the family of cross-entropy, generalized cross-entropy and the mean absolute error."""

import math
from typing import Any

import keras

from keras_ssl.losses.robust.class_logits import LabelLoss, class_logits, rival_margin
from keras_ssl.typing import Tensor

__all__ = ["CompSumLoss", "comp_sum_loss"]


def check_tau(tau: float) -> float:
    """`tau`, or an error if it is negative or not finite."""
    if not (tau >= 0.0 and math.isfinite(tau)):
        raise ValueError(f"`tau` must be 0 or more, and finite. Received: tau={tau}")
    return float(tau)


def comp_sum_loss(logits: Tensor, labels: Tensor, tau: float = 1.0) -> Tensor:
    r"""A loss of each sample between exponential and bounded, chosen by `tau`.

    With `u = sum_{k != y} exp(f_k - f_y) = 1 / p_y - 1`, where `p = softmax(f)`:

        ((1 + u)^(1 - tau) - 1) / (1 - tau) = (p_y^(tau - 1) - 1) / (1 - tau)          log(1 + u) for tau = 1

    | tau | loss | |
    |---|---|---|
    | 0 | `u` | sum-exponential |
    | 1 | `-log p_y` | cross-entropy |
    | 1 to 2 | `(1 - p_y^q) / q`, `q = tau - 1` | generalized cross-entropy |
    | 2 | `1 - p_y` | mean absolute error (half the L1 distance to the label) |

    The larger `tau`, the less a sample counts that is far from its label: values above 1 resist wrong labels.
    Below 1 the loss grows like a power of `1 / p_y` and can exceed float32.

    Args:
        logits: `f`, `[N, K]`.
        labels: class numbers, integers `[N]`.
        tau: 0 or more. Defaults to 1, cross-entropy.

    Returns:
        The loss of each sample, float32 `[N]`. In compiled code it is NaN where a label is no class.

    Raises:
        ValueError: if `tau` is negative or not finite, a shape is wrong, or a label is no class.

    Example:

    >>> logits, labels = keras.ops.array([[1.0, 0.0]]), keras.ops.array([0])
    >>> [round(float(comp_sum_loss(logits, labels, tau)[0]), 4) for tau in (0.0, 1.0, 2.0)]
    [0.3679, 0.3133, 0.2689]

    Reference:
        Mao, Mohri and Zhong, "Cross-Entropy Loss Functions: Theoretical Analysis and Applications", ICML 2023.
    """
    tau = check_tau(tau)
    logits, labels = class_logits(logits, labels)
    entropy = keras.ops.softplus(rival_margin(logits, labels))  # -log p_y
    if tau == 1.0:
        return entropy
    return keras.ops.expm1((1.0 - tau) * entropy) / (1.0 - tau)


@keras.saving.register_keras_serializable(package="keras_ssl")
class CompSumLoss(LabelLoss):
    """`comp_sum_loss` for `compile(loss=...)`: labels are class numbers, predictions are logits.

    Args:
        tau: as for `comp_sum_loss`. Defaults to 1, cross-entropy.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Raises:
        ValueError: if `tau` is negative or not finite.

    Example:

    >>> round(float(CompSumLoss(tau=2.0)([0], [[1.0, 0.0]])), 4)
    0.2689
    """

    def __init__(
        self,
        tau: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str = "comp_sum_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.tau = check_tau(tau)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return comp_sum_loss(y_pred, self.class_numbers(y_true), self.tau)
