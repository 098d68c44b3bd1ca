"""Generalized cross-entropy, a baseline among losses for noisy labels."""

from typing import Any

import keras

from keras_ssl.losses.robust.class_logits import LabelLoss
from keras_ssl.losses.robust.comp_sum_loss import comp_sum_loss
from keras_ssl.typing import Tensor

__all__ = ["GeneralizedCrossEntropy", "generalized_cross_entropy"]


def check_q(q: float) -> float:
    """`q`, or an error if it lies outside [0, 1]."""
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"`q` must lie in [0, 1]. Received: q={q}")
    return float(q)


def generalized_cross_entropy(logits: Tensor, labels: Tensor, q: float = 0.7) -> Tensor:
    """The loss `(1 - p_y^q) / q` of each sample, between cross-entropy (`q = 0`) and `1 - p_y` (`q = 1`).

    Args:
        logits: `[N, K]`; `p` is their softmax.
        labels: class numbers y, integers `[N]`.
        q: in [0, 1]. Defaults to 0.7, the paper's.

    Returns:
        The loss of each sample, float32 `[N]`.

    Raises:
        ValueError: if `q` lies outside [0, 1], a shape is wrong, or a label is no class.

    Example:

    >>> round(float(generalized_cross_entropy(keras.ops.array([[0.0, 0.0]]), keras.ops.array([1]), q=0.5)[0]), 4)
    0.5858

    Reference:
        Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
        NeurIPS 2018.
    """
    return comp_sum_loss(logits, labels, tau=1.0 + check_q(q))


@keras.saving.register_keras_serializable(package="keras_ssl")
class GeneralizedCrossEntropy(LabelLoss):
    """`generalized_cross_entropy` for `compile(loss=...)`: labels are class numbers, predictions are logits.

    Args:
        q: as for `generalized_cross_entropy`. Defaults to 0.7.
        reduction, name, dtype: as for `keras.losses.Loss`.

    Raises:
        ValueError: if `q` lies outside [0, 1].

    Example:

    >>> round(float(GeneralizedCrossEntropy(q=1.0)([0], [[0.0, 0.0]])), 4)
    0.5
    """

    def __init__(
        self,
        q: float = 0.7,
        reduction: str = "sum_over_batch_size",
        name: str = "generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.q = check_q(q)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return generalized_cross_entropy(y_pred, self.class_numbers(y_true), self.q)
