"""Distillation with a ratio of teacher to label for each sample, and what the ratio may be learned from."""

import keras

from keras_ssl.losses.distillation.softened_kl_loss import softened_kl_loss
from keras_ssl.losses.numeric import as_float, check_classes, check_shape
from keras_ssl.typing import Tensor

__all__ = ["fused_distillation_loss", "trilateral_geometry"]


def fused_distillation_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, ratio: Tensor, temperature: float = 4.0
) -> Tensor:
    """`a T^2 KL(softmax(t / T) || softmax(s / T)) + (1 - a) CE(y, s)` of each sample, with its own ratio a.

    A sample without a label has the first part alone, whatever its ratio. Gradients flow to student and ratio.

    Args:
        student: logits, `[N, K]`.
        teacher: logits, `[N, K]`.
        labels: class numbers, `[N]`; negative for none.
        ratio: a, in [0, 1], `[N]`.
        temperature: T > 0. Defaults to 4.

    Returns:
        float32 `[N]`, not negative.

    Raises:
        ValueError: if the temperature is not positive, the shapes do not fit, or a label is no class (arrays only).

    Example:

    >>> sure = np.array([[100.0, 0.0]])  # a teacher that says what the label says: the ratio does not matter
    >>> for ratio in (0.0, 1.0):
    ...     loss = fused_distillation_loss(np.zeros((1, 2)), sure, np.array([0]), np.array([ratio]), 1.0)
    ...     print(round(float(loss[0]), 4))
    0.6931
    0.6931

    Reference: Hu et al., "Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR
    2024.
    """
    ops = keras.ops
    distilled = softened_kl_loss(student, teacher, temperature)
    labels = check_classes("labels", labels, student.shape[:1], student.shape[1])
    check_shape("ratio", ratio, student.shape[:1])
    log_s = ops.log_softmax(as_float(student), axis=1)
    one_hot = ops.one_hot(ops.maximum(labels, 0), student.shape[1], dtype=log_s.dtype)
    supervised = -ops.sum(one_hot * log_s, axis=1)
    a = ops.where(labels >= 0, ops.cast(ratio, supervised.dtype), ops.ones_like(supervised))
    return a * distilled + (1.0 - a) * supervised


def trilateral_geometry(student: Tensor, teacher: Tensor, labels: Tensor, class_means: Tensor) -> Tensor:
    """How student s, teacher t, label y and the teacher's mean m of the label's class lie to each other.

    Of the vectors of probabilities (y is one-hot), the differences `s - y`, `t - y`, `s - t`, `s - m` and `m - y`, and
    the length of each; without gradient.

    Args:
        student: logits, `[N, K]`.
        teacher: logits, `[N, K]`.
        labels: class numbers, `[N]`; where one is negative, y and m are zero.
        class_means: the teacher's mean probabilities of each class, `[K, K]`.

    Returns:
        float32 `[N, 5 * K + 5]`.

    Raises:
        ValueError: if the shapes do not fit.

    Reference: Hu et al., "Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR
    2024. Which differences stand for the geometry is our choice.
    """
    ops = keras.ops
    classes = student.shape[-1]
    if len(student.shape) != 2 or teacher.shape[-1] != classes or tuple(class_means.shape) != (classes, classes):
        raise ValueError(
            "Logits must be [N, K], and class means [K, K]. Received: shapes "
            f"{tuple(student.shape)}, {tuple(teacher.shape)} and {tuple(class_means.shape)}"
        )
    s, t = (ops.softmax(ops.stop_gradient(as_float(z, student)), axis=1) for z in (student, teacher))
    labels = ops.cast(labels, "int32")
    known = ops.cast(labels >= 0, s.dtype)[:, None]
    y = known * ops.one_hot(ops.maximum(labels, 0), classes, dtype=s.dtype)
    m = ops.matmul(y, ops.cast(class_means, s.dtype))
    edges = [s - y, t - y, s - t, s - m, m - y]
    lengths = [ops.sqrt(ops.sum(ops.square(edge), axis=1, keepdims=True)) for edge in edges]
    return ops.stop_gradient(ops.concatenate([*edges, *lengths], axis=1))
