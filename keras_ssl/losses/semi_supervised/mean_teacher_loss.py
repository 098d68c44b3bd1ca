"""Squared difference between the predictions of a student and its teacher."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["mean_teacher_loss"]


def mean_teacher_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How far a student's class probabilities are from a teacher's: the consistency cost of Mean Teacher.

    `mean over classes of (softmax(student) - stop_gradient(softmax(teacher)))^2`.

    Args:
        student: logits `[N, K]`.
        teacher: logits `[N, K]` of the same samples; no gradient flows into them.

    Returns:
        The loss of each sample, float32 `[N]`.

    Raises:
        ValueError: if the shapes differ.

    Example:

    >>> loss = mean_teacher_loss(keras.ops.array([[0.0, 0.0]]), keras.ops.array([[100.0, 0.0]]))
    >>> float(loss[0])
    0.25

    Reference: Tarvainen and Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
    semi-supervised deep learning results", NeurIPS 2017.
    """
    check_shape("teacher", teacher, student.shape)
    ops = keras.ops
    target = ops.stop_gradient(ops.softmax(as_float(teacher, student), axis=1))
    return ops.mean(ops.square(ops.softmax(as_float(student), axis=1) - target), axis=1)
