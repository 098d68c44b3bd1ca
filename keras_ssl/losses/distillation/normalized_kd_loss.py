"""Distillation with the other classes normalized, and its form without a teacher."""

import keras

from keras_ssl.losses.distillation.target_split import split_by_target
from keras_ssl.losses.numeric import as_float, check_classes, check_pair, check_positive, check_shape
from keras_ssl.typing import Tensor

__all__ = ["normalized_kd_loss", "universal_self_kd_loss", "zipf_labels"]


def normalized_kd_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: float = 1.0, other_weight: float = 1.5
) -> Tensor:
    """NKD of each sample: `-T_t log S_t - g T^2 sum_(i != t) N(T_i) log N(S_i)`; no gradient flows to the teacher.

    `T_t` and `S_t` are the probabilities of the true class at temperature 1. `N` are those of the other classes,
    softened by the temperature and normalized among themselves. The classification loss of the labels is added to it
    by whoever trains.

    Args:
        student: logits, `[N, K]`, K > 1.
        teacher: logits, `[N, K]`.
        labels: numbers of the true classes, `[N]`; where one is negative, the teacher's most likely class stands for
            it.
        temperature: T > 0. Defaults to 1, the paper's for ImageNet.
        other_weight: g, not negative. Defaults to 1.5, the paper's.

    Returns:
        float32 `[N]`, at least 0.

    Raises:
        ValueError: if an argument is out of range, the shapes do not fit, or a label is no class (arrays only).

    Example:

    >>> teacher = keras.ops.array([[100.0, 0.0, 0.0]])  # sure of class 0: with g = 0, the cross-entropy
    >>> loss = normalized_kd_loss(keras.ops.zeros((1, 3)), teacher, keras.ops.array([0]), other_weight=0.0)
    >>> round(float(loss[0]), 4)
    1.0986

    Reference: Yang et al., "From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with
    Normalized Loss and Customized Soft Labels", ICCV 2023.
    """
    check_positive("temperature", temperature)
    if not 0.0 <= other_weight < float("inf"):
        raise ValueError(f"`other_weight` must be finite and not negative. Received: other_weight={other_weight}")
    check_pair(student, teacher)
    ops = keras.ops
    labels = check_classes("labels", labels, student.shape[:1], student.shape[1])
    student, teacher = as_float(student), ops.stop_gradient(as_float(teacher, student))
    log_p, _, _ = split_by_target(teacher, labels, teacher)
    log_q, _, _ = split_by_target(student, labels, teacher)
    _, _, others_p = split_by_target(teacher / temperature, labels, teacher)
    _, _, others_q = split_by_target(student / temperature, labels, teacher)
    finite = ops.where(ops.isfinite(others_q), others_q, ops.zeros_like(others_q))
    other = -ops.sum(ops.exp(others_p) * finite, axis=1)
    return -ops.exp(log_p) * log_q + other_weight * temperature**2 * other


def zipf_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """Soft labels of the classes that are not true: `1 / rank`, ranked by their logits, normalized; 0 at the true
    class.

    Args:
        logits: `[N, K]`, K > 1: what ranks the classes, without gradient.
        labels: numbers of the true classes, `[N]`.

    Returns:
        float32 `[N, K]`; each row sums to 1.

    Raises:
        ValueError: if the shapes do not fit, or a label is no class (arrays only).

    Example:

    >>> zipf_labels(keras.ops.array([[3.0, 2.0, 1.0]]), keras.ops.array([0]))[0].tolist()  # doctest: +SKIP
    [0.0, 0.6667, 0.3333]
    """
    ops = keras.ops
    logits = ops.stop_gradient(as_float(logits))
    labels = check_classes("labels", labels, logits.shape[:1], logits.shape[1])
    is_target = ops.cast(ops.one_hot(labels, logits.shape[1]), "bool")
    ranked = ops.where(is_target, ops.full_like(logits, -float("inf")), logits)
    order = ops.argsort(-ranked, axis=1)  # the true class comes last
    rank = ops.cast(ops.argsort(order, axis=1), "float32")
    share = ops.where(is_target, ops.zeros_like(logits), 1.0 / (1.0 + rank))
    return share / ops.sum(share, axis=1, keepdims=True)


def universal_self_kd_loss(
    logits: Tensor,
    weak_logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    target_weight: float = 1.0,
    other_weight: float = 0.1,
    weak_weight: float = 0.005,
    smoothing: float = 0.1,
) -> Tensor:
    """USKD of each sample: what a teacher would say, without a teacher.

    The true class has the soft label `P = S_t^2 + 1 - mean(S_t^2)`, the mean over the batch, so that labels have the
    mean 1. The other classes' labels are `zipf_labels` of the sum of the probabilities of both heads. The loss is
    `-a P log S_t - b sum_i Zipf_i log N(S_i) + c CE(V, weak)`, where V are the smoothed labels. No gradient flows
    through the soft labels.

    Args:
        logits: of the head that is kept, `[N, K]`, K > 1.
        weak_logits: of a weak head on intermediate features, `[N, K]`.
        labels: numbers of the true classes, `[N]`.
        weights: `[N]`: 1 for samples that have a label, else 0: whose mean is taken. Defaults to None: all.
        target_weight: a, not negative. Defaults to 1.
        other_weight: b, not negative. Defaults to 0.1.
        weak_weight: c, not negative. Defaults to 0.005.
        smoothing: of the labels of the weak head, in [0, 1): what the other classes share. Defaults to 0.1.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if an argument is out of range, the shapes do not fit, or a label is no class (arrays only).

    Reference: Yang et al., "From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with
    Normalized Loss and Customized Soft Labels", ICCV 2023. How the ranks of both heads are joined is our choice: by the
    sum of their probabilities.
    """
    for name, value in (("target_weight", target_weight), ("other_weight", other_weight), ("weak_weight", weak_weight)):
        if not 0.0 <= value < float("inf"):
            raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
    if not 0.0 <= smoothing < 1.0:
        raise ValueError(f"`smoothing` must lie in [0, 1). Received: smoothing={smoothing}")
    check_pair(logits, weak_logits)
    ops = keras.ops
    logits, weak_logits = as_float(logits), as_float(weak_logits, logits)
    labels = ops.maximum(check_classes("labels", labels, logits.shape[:1], logits.shape[1]), 0)
    if weights is not None:
        check_shape("weights", weights, logits.shape[:1])
    weights = ops.ones_like(logits[:, 0]) if weights is None else as_float(weights, logits)
    log_s, _, others = split_by_target(logits, labels, logits)
    square = ops.stop_gradient(ops.exp(2.0 * log_s))
    mean = ops.sum(weights * square) / ops.maximum(ops.sum(weights), 1.0)
    soft = square + 1.0 - mean
    joined = ops.softmax(logits, axis=1) + ops.softmax(weak_logits, axis=1)
    finite = ops.where(ops.isfinite(others), others, ops.zeros_like(others))
    other = -ops.sum(zipf_labels(joined, labels) * finite, axis=1)
    one_hot = ops.one_hot(labels, logits.shape[1], dtype=logits.dtype)
    smooth = (1.0 - smoothing) * one_hot + smoothing / (logits.shape[1] - 1) * (1.0 - one_hot)
    weak = -ops.sum(smooth * ops.log_softmax(weak_logits, axis=1), axis=1)
    return -target_weight * soft * log_s + other_weight * other + weak_weight * weak
