"""Divergence of a student from the vote of several teachers."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["vote", "voting_kl_loss"]


def vote(probabilities: Tensor, counted: Tensor | None = None) -> Tensor:
    """The mean of the probabilities of teachers.

    Args:
        probabilities: `[V, N, K]`, of V teachers.
        counted: `[V]`, 1 for teachers that vote, else 0. Defaults to None: all.

    Returns:
        float32 `[N, K]`, without gradient; each row sums to 1, or is 0 where no teacher votes.

    Raises:
        ValueError: if the probabilities are not of rank 3, or `counted` does not fit.
    """
    if len(probabilities.shape) != 3:
        raise ValueError(
            f"Probabilities of teachers must be [V, N, K]. Received: probabilities.shape={tuple(probabilities.shape)}"
        )
    ops = keras.ops
    probabilities = ops.stop_gradient(as_float(probabilities))
    if counted is None:
        return ops.mean(probabilities, axis=0)
    check_shape("counted", counted, probabilities.shape[:1])
    counted = ops.cast(counted, probabilities.dtype)
    kept = ops.where(counted[:, None, None] > 0, probabilities, ops.zeros_like(probabilities))
    return ops.sum(kept, axis=0) / ops.maximum(ops.sum(counted), 1.0)


def voting_kl_loss(student: Tensor, voted: Tensor) -> Tensor:
    """`KL(voted || softmax(s))` of each sample; no gradient flows to the vote.

    Args:
        student: logits, `[N, K]`.
        voted: probabilities, `[N, K]`, as `vote` gives them; a row of zeros has the loss 0 and no gradient.

    Returns:
        float32 `[N]`, at least 0.

    Raises:
        ValueError: if the shapes differ.

    Example:

    >>> p = keras.ops.array([[[0.5, 0.5]], [[0.5, 0.5]]])
    >>> float(voting_kl_loss(keras.ops.array([[3.0, 3.0]]), vote(p))[0]) < 1e-6
    True

    Reference: Zhu et al., "Improving Differentiable Architecture Search via Self-Distillation", 2023.
    """
    if len(student.shape) != 2 or len(voted.shape) != 2 or student.shape[-1] != voted.shape[-1]:
        raise ValueError(
            "Logits and vote must be matrices of one shape. "
            f"Received: shapes {tuple(student.shape)} and {tuple(voted.shape)}"
        )
    check_shape("voted", voted, student.shape)
    ops = keras.ops
    voted = ops.stop_gradient(as_float(voted, student))
    log_p = ops.log(ops.where(voted > 0, voted, ops.ones_like(voted)))
    return ops.sum(voted * (log_p - ops.log_softmax(as_float(student), axis=1)), axis=1)
