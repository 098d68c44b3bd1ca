"""Weights for the loss that a doubtful judge gives, from how much two passes disagree."""

import math
from typing import Any

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.robust.class_logits import LabelLoss
from keras_ssl.losses.robust.comp_sum_loss import comp_sum_loss
from keras_ssl.typing import Tensor

__all__ = ["UncertaintyWeightedLoss", "pass_divergence", "pass_variance", "uncertainty_weighted_loss"]


def _check_weight(regularization: float) -> float:
    if not (regularization >= 0.0 and math.isfinite(regularization)):
        raise ValueError(f"`regularization` must be 0 or more, and finite. Received: regularization={regularization}")
    return float(regularization)


def uncertainty_weighted_loss(losses: Tensor, uncertainty: Tensor, regularization: float = 1.0) -> Tensor:
    """`L exp(-U) + regularization * U` of each sample: an uncertain sample counts less, at a price.

    At a fixed L it is least at `U = log(L / regularization)`, or 0 where that is negative.

    Args:
        losses: L, `[N]`, for example losses by pseudo-labels or by a frozen critic.
        uncertainty: U, at least 0, `[N]`: `pass_variance` or `pass_divergence`. Gradients flow through it, as in the
            authors' code; pass `keras.ops.stop_gradient(U)` for weights alone.
        regularization: price of uncertainty, 0 or more. Defaults to 1, as in the authors' code.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if `regularization` is negative or not finite, or shapes differ.

    Example:

    >>> values = uncertainty_weighted_loss(keras.ops.array([2.0, 2.0]), keras.ops.array([0.0, 1.0]), 0.1)
    >>> [round(float(value), 4) for value in values]
    [2.0, 0.8358]

    Reference:
        Zhang et al., "Ctrl-U: Robust Conditional Image Generation via Uncertainty-aware Reward Modeling", ICLR 2025.
    """
    regularization = _check_weight(regularization)
    losses, uncertainty = as_float(losses), as_float(uncertainty, losses)
    _check_same("uncertainty", uncertainty, losses)
    return losses * keras.ops.exp(-uncertainty) + regularization * uncertainty


def pass_variance(first: Tensor, second: Tensor) -> Tensor:
    """The variance of two losses of the same sample, `((a - b) / 2)^2`: with divisor 2, as of a whole population.

    Args:
        first, second: losses of two passes (dropout, noise, views), `[N]` each.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if shapes differ.

    Example:

    >>> float(pass_variance(keras.ops.array([1.0]), keras.ops.array([4.0]))[0])
    2.25
    """
    first, second = as_float(first), as_float(second, first)
    _check_same("second", second, first)
    return keras.ops.square((first - second) / 2.0)


def pass_divergence(first: Tensor, second: Tensor) -> Tensor:
    """The divergence of two predictions of the same sample, `KL(softmax(second) || softmax(first))`.

    The authors' code takes it in place of the variance.

    Args:
        first, second: logits of two passes, `[N, K]` each.

    Returns:
        float32 `[N]`, in nats.

    Raises:
        ValueError: if shapes differ.

    Example:

    >>> round(float(pass_divergence(keras.ops.array([[0.0, 0.0]]), keras.ops.array([[9.0, 0.0]]))[0]), 3)
    0.692
    """
    ops = keras.ops
    first, second = as_float(first), as_float(second, first)
    _check_same("second", second, first)
    p, q = ops.log_softmax(second, axis=-1), ops.log_softmax(first, axis=-1)
    return ops.sum(ops.exp(p) * (p - q), axis=-1)


def _check_same(name: str, tensor: Tensor, other: Tensor) -> None:
    if tuple(tensor.shape) != tuple(other.shape):
        raise ValueError(
            f"`{name}` must have the other argument's shape {tuple(other.shape)}. "
            f"Received: {name}.shape={tuple(tensor.shape)}"
        )


@keras.saving.register_keras_serializable(package="keras_ssl")
class UncertaintyWeightedLoss(LabelLoss):
    """Cross-entropy of the first of two passes, weighted by how far the second differs, for `compile(loss=...)`.

    `L exp(-U) + regularization * U`, where L is the cross-entropy of the first pass. Two passes that agree have
    `U = 0`: cross-entropy. A model that gives two passes stacks them: `keras.ops.stack([f(a), f(b)], axis=1)`.

    Args:
        regularization: price of uncertainty, 0 or more. Defaults to 1.
        measure: "variance" of the two cross-entropies (the paper's words) or "divergence" of the two predictions (the
            authors' code). Defaults to "variance".
        reduction, name, dtype: as for `keras.losses.Loss`.

    Call arguments:
        y_true: class numbers, possibly wrong ones, `[N]` or `[N, 1]`.
        y_pred: logits of both passes, `[N, 2, K]`.

    Raises:
        ValueError: if an argument is out of range, or predictions are not two passes.

    Example:

    >>> passes = [[[0.0, 0.0], [0.0, 0.0]]]
    >>> round(float(UncertaintyWeightedLoss()([1], passes)), 4)
    0.6931

    Reference:
        Zhang et al., "Ctrl-U: Robust Conditional Image Generation via Uncertainty-aware Reward Modeling", ICLR 2025.
    """

    def __init__(
        self,
        regularization: float = 1.0,
        measure: str = "variance",
        reduction: str = "sum_over_batch_size",
        name: str = "uncertainty_weighted_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.regularization = _check_weight(regularization)
        if measure not in ("variance", "divergence"):
            raise ValueError(f'`measure` must be "variance" or "divergence". Received: measure={measure!r}')
        self.measure = measure

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y_pred = keras.ops.convert_to_tensor(y_pred)
        if len(y_pred.shape) != 3 or y_pred.shape[1] != 2:
            raise ValueError(
                f"`y_pred` must be logits of two passes, [N, 2, K]. Received: y_pred.shape={tuple(y_pred.shape)}"
            )
        labels, first, second = self.class_numbers(y_true), y_pred[:, 0], y_pred[:, 1]
        losses = comp_sum_loss(first, labels)
        if self.measure == "divergence":
            uncertainty = pass_divergence(first, second)
        else:
            uncertainty = pass_variance(losses, comp_sum_loss(second, labels))
        return uncertainty_weighted_loss(losses, uncertainty, self.regularization)
