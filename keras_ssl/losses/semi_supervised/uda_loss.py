"""Consistency between a sharpened prediction and that of a strong view; annealing of the training signal."""

import keras

from keras_ssl.losses.numeric import as_float, check_integer, check_shape
from keras_ssl.typing import Tensor

__all__ = ["signal_threshold", "uda_loss"]

SCHEDULES = ("linear", "log", "exp")


def uda_loss(weak: Tensor, strong: Tensor, temperature: float = 0.4, threshold: float = 0.8) -> tuple[Tensor, Tensor]:
    """The loss of UDA for unlabeled samples.

    `[max softmax(weak) >= threshold] * KL(stop_gradient(softmax(weak / temperature)) || softmax(strong))`. The mask
    looks at the probabilities before they are sharpened, as in the authors' code.

    Args:
        weak: logits of samples as they are or weakly augmented, `[N, K]`; no gradient flows into them.
        strong: logits of the same samples, strongly augmented, `[N, K]`.
        temperature: sharpens the target below 1; positive. Defaults to 0.4, the paper's for images.
        threshold: least confidence, in [0, 1]. Defaults to 0.8, the paper's for CIFAR-10.

    Returns:
        The loss of each sample, 0 where it is not confident, and 1 for confident samples, else 0: float32 `[N]` each.

    Raises:
        ValueError: if `temperature` or `threshold` is out of range, or the shapes differ.

    Example:

    >>> loss, confident = uda_loss(keras.ops.array([[9.0, 0.0]]), keras.ops.array([[0.0, 0.0]]))
    >>> round(float(loss[0]), 4), float(confident[0])
    (0.6931, 1.0)

    Reference: Xie et al., "Unsupervised Data Augmentation for Consistency Training", NeurIPS 2020.
    """
    if not 0.0 < temperature < float("inf"):
        raise ValueError(f"`temperature` must be greater than 0 and finite. Received: temperature={temperature}")
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"`threshold` must lie in [0, 1]. Received: threshold={threshold}")
    check_shape("strong", strong, weak.shape)
    ops = keras.ops
    weak = ops.stop_gradient(as_float(weak, strong))
    log_target = ops.log_softmax(weak / temperature, axis=1)
    difference = log_target - ops.log_softmax(as_float(strong), axis=1)
    confident = ops.cast(ops.max(ops.softmax(weak, axis=1), axis=1) >= threshold, weak.dtype)
    return ops.sum(ops.exp(log_target) * difference, axis=1) * confident, confident


def signal_threshold(progress: Tensor, classes: int, schedule: str = "linear") -> Tensor:
    """Training-signal annealing: the probability of the right class above which a labeled sample is left out.

    With the share t of training that is done it is `a(t) (1 - 1/K) + 1/K`, where `a(t)` is `t` ("linear"),
    `1 - exp(-5 t)` ("log") or `exp(5 (t - 1))` ("exp"). So a model cannot fit few labels long before it has learned
    from the samples without. "exp" releases them last, "log" first.

    Args:
        progress: t in [0, 1], a scalar.
        classes: K, at least 2.
        schedule: "linear" (default), "log" or "exp".

    Returns:
        A float32 scalar in [1/K, 1].

    Raises:
        ValueError: if `classes` is no integer of at least 2 or `schedule` is unknown.

    Example:

    >>> [round(float(signal_threshold(t, 10)), 2) for t in (0.0, 0.5, 1.0)]
    [0.1, 0.55, 1.0]

    Reference: Xie et al., "Unsupervised Data Augmentation for Consistency Training", NeurIPS 2020.
    """
    check_integer("classes", classes, 2)
    if schedule not in SCHEDULES:
        raise ValueError(f"`schedule` must be one of {', '.join(SCHEDULES)}. Received: schedule={schedule!r}")
    ops = keras.ops
    t = ops.clip(ops.cast(progress, "float32"), 0.0, 1.0)
    share = {"linear": lambda: t, "log": lambda: 1.0 - ops.exp(-5.0 * t), "exp": lambda: ops.exp(5.0 * (t - 1.0))}
    return share[schedule]() * (1.0 - 1.0 / classes) + 1.0 / classes
