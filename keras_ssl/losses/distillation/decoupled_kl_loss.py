"""Distillation with weights of its own for the true class and for the others."""

import keras

from keras_ssl.losses.distillation.target_split import split_by_target
from keras_ssl.losses.numeric import as_float, check_classes, check_pair, check_positive
from keras_ssl.typing import Tensor

__all__ = ["decoupled_kl_loss"]


def decoupled_kl_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    temperature: float = 4.0,
    target_weight: float = 1.0,
    other_weight: float = 8.0,
) -> Tensor:
    """`T^2 (a TCKD + b NCKD)` of each sample; no gradient flows to the teacher.

    TCKD is the KL divergence of the two numbers "true class" and "any other", NCKD that of the distributions over the
    other classes, each normalized among them. Hinton's loss is `TCKD + (1 - p_true) NCKD`, so that a sure teacher says
    little about the other classes.

    Args:
        student: logits, `[N, K]`, K > 1.
        teacher: logits, `[N, K]`.
        labels: numbers of the true classes, `[N]`; where one is negative, the teacher's most likely class stands for
            it.
        temperature: T > 0. Defaults to 4.
        target_weight: a, not negative. Defaults to 1, the paper's.
        other_weight: b, not negative. Defaults to 8, the paper's for CIFAR-100.

    Returns:
        float32 `[N]`, at least 0.

    Raises:
        ValueError: if an argument is out of range, the shapes do not fit, or a label is no class (arrays only).

    Example:

    >>> logits = keras.ops.array([[1.0, 2.0, 0.5]])
    >>> float(decoupled_kl_loss(logits, logits, keras.ops.array([1]))[0]) < 1e-6
    True

    Reference: Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022.
    """
    check_positive("temperature", temperature)
    for name, value in (("target_weight", target_weight), ("other_weight", other_weight)):
        if not 0.0 <= value < float("inf"):
            raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
    check_pair(student, teacher)
    ops = keras.ops
    labels = check_classes("labels", labels, student.shape[:1], student.shape[1])
    student, teacher = as_float(student), ops.stop_gradient(as_float(teacher, student))
    log_p, log_rest_p, others_p = split_by_target(teacher / temperature, labels, teacher)
    log_q, log_rest_q, others_q = split_by_target(student / temperature, labels, teacher)
    target = ops.exp(log_p) * (log_p - log_q) + ops.exp(log_rest_p) * (log_rest_p - log_rest_q)
    difference = ops.where(ops.isfinite(others_p), others_p - others_q, ops.zeros_like(others_p))
    other = ops.sum(ops.exp(others_p) * difference, axis=1)
    return temperature**2 * (target_weight * target + other_weight * other)
