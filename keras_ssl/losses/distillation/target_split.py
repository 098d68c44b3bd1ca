"""A distribution over classes in two parts: the true class, and the others among themselves."""

import keras

from keras_ssl.typing import Tensor

_OUT = -1e30  # a logit that no other is near; infinity has no gradient


def split_by_target(logits: Tensor, labels: Tensor, fallback: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The logarithms of the probability of the true class, of any other, and of each other among the others.

    Args:
        logits: `[N, K]`, K > 1.
        labels: numbers of the true classes, `[N]`; negative for unknown.
        fallback: `[N, K]`, whose largest entry stands for an unknown class.

    Returns:
        `[N]`, `[N]` and `[N, K]`; in the last, the entry of the true class is -infinity without a gradient.
    """
    ops = keras.ops
    labels = ops.cast(labels, "int32")
    known = ops.where(labels >= 0, labels, ops.cast(ops.argmax(fallback, axis=1), "int32"))
    is_target = ops.cast(ops.one_hot(known, logits.shape[1]), "bool")
    without = ops.where(is_target, ops.full_like(logits, _OUT), logits)
    total, rest = ops.logsumexp(logits, axis=1), ops.logsumexp(without, axis=1)
    target = ops.sum(ops.where(is_target, logits, ops.zeros_like(logits)), axis=1)
    others = ops.where(is_target, ops.full_like(logits, -float("inf")), logits - rest[:, None])
    return target - total, rest - total, others
