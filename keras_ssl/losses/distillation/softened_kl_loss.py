"""Hinton's distillation loss of each sample."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive
from keras_ssl.typing import Tensor

__all__ = ["softened_kl_loss"]


def softened_kl_loss(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """`T^2 KL(softmax(t / T) || softmax(s / T))` of each sample; no gradient flows to the teacher.

    The factor T^2 keeps the size of the gradient whatever the temperature is.

    Args:
        student: logits, `[N, K]`.
        teacher: logits, `[N, K]`.
        temperature: T > 0. Defaults to 4.

    Returns:
        float32 `[N]`, at least 0.

    Raises:
        ValueError: if the temperature is not positive or the logits are not two matrices of one shape.

    Example:

    >>> logits = keras.ops.array([[1.0, 2.0, 0.5]])
    >>> float(softened_kl_loss(logits, logits + 3.0)[0]) < 1e-6
    True

    Reference: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    check_positive("temperature", temperature)
    check_pair(student, teacher)
    ops = keras.ops
    p = ops.log_softmax(ops.stop_gradient(as_float(teacher, student)) / temperature, axis=1)
    q = ops.log_softmax(as_float(student) / temperature, axis=1)
    return temperature**2 * ops.sum(ops.exp(p) * (p - q), axis=1)
