"""The comp-sum loss with a bound on how far margins move under an attack."""

import math

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.robust.class_logits import class_logits, is_true_class
from keras_ssl.losses.robust.comp_sum_loss import comp_sum_loss
from keras_ssl.typing import Tensor

__all__ = ["margin_change", "smooth_adversarial_comp_sum_loss"]


def margin_change(logits: Tensor, perturbed: Tensor, labels: Tensor) -> Tensor:
    """How far a perturbation moves the margins: `norm(d(x') - d(x))`, where `d(x)_k = f_y(x) - f_k(x)`.

    This is what an attack maximizes. Where nothing has moved it is 0 with the gradient 0.

    Args:
        logits: `f(x)`, `[N, K]`.
        perturbed: `f(x')`, `[N, K]`.
        labels: class numbers y, integers `[N]`.

    Returns:
        float32 `[N]`, Euclidean norms over the K - 1 other classes.

    Raises:
        ValueError: if shapes differ or a label is no class.

    Example:

    >>> labels = keras.ops.array([0])
    >>> float(margin_change(keras.ops.array([[0.0, 0.0, 0.0]]), keras.ops.array([[1.0, -2.0, -3.0]]), labels)[0])
    5.0
    """
    ops = keras.ops
    logits, labels = class_logits(logits, labels)
    perturbed, _ = class_logits(as_float(perturbed, logits), labels)
    if logits.shape[1] != perturbed.shape[1]:
        raise ValueError(
            "`perturbed` must have the shape of `logits`. Received: "
            f"perturbed.shape={tuple(perturbed.shape)}, logits.shape={tuple(logits.shape)}"
        )
    moved = perturbed - logits
    true = is_true_class(logits, labels)
    own = ops.sum(ops.where(true, moved, ops.zeros_like(moved)), axis=1, keepdims=True)
    square = ops.sum(ops.square(own - moved), axis=1)  # at the label itself it is 0
    still = square <= 0.0  # not so of NaN, which must stay
    return ops.where(still, ops.zeros_like(square), ops.sqrt(ops.where(still, ops.ones_like(square), square)))


def smooth_adversarial_comp_sum_loss(
    logits: Tensor, perturbed: Tensor, labels: Tensor, tau: float = 1.0, nu: float = 1.0
) -> Tensor:
    r"""The comp-sum loss of clean samples plus `nu` times how far an attack moves their margins.

        comp_sum_loss(f(x), y, tau) + nu * norm(d(x') - d(x)),      d(x)_k = f_y(x) - f_k(x)

    The paper takes the supremum over the perturbed `x'` in a ball around `x`; `keras_ssl.attacks.margin_attack` finds
    one. Both terms carry gradients to `logits`, as in the paper. With `nu = 0`, or `x' = x`, it is `comp_sum_loss`.

    Args:
        logits: `f(x)`, of clean samples, `[N, K]`.
        perturbed: `f(x')`, of the same samples under attack, `[N, K]`.
        labels: class numbers y, integers `[N]`.
        tau: as for `comp_sum_loss`. Defaults to 1, cross-entropy.
        nu: weight of the second term, 0 or more. Defaults to 1 (the paper tunes it).

    Returns:
        The loss of each sample, float32 `[N]`.

    Raises:
        ValueError: if `tau` or `nu` is negative or not finite, shapes differ, or a label is no class.

    Example:

    >>> clean, moved = keras.ops.array([[1.0, 0.0]]), keras.ops.array([[0.0, 0.0]])
    >>> round(float(smooth_adversarial_comp_sum_loss(clean, moved, keras.ops.array([0]), tau=2.0, nu=0.5)[0]), 4)
    0.7689

    Reference:
        Mao, Mohri and Zhong, "Cross-Entropy Loss Functions: Theoretical Analysis and Applications", ICML 2023.
    """
    if not (nu >= 0.0 and math.isfinite(nu)):
        raise ValueError(f"`nu` must be 0 or more, and finite. Received: nu={nu}")
    return comp_sum_loss(logits, labels, tau) + nu * margin_change(logits, perturbed, labels)
