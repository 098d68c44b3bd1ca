"""The distance between the tokens of a student and of its teacher."""

import keras

from keras_ssl.losses.numeric import as_float, same_shape
from keras_ssl.typing import Tensor

__all__ = ["hidden_distance_loss"]


def hidden_distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared difference of each sample's hidden representations: `mean over t, d of (s_td - t_td)^2`.

    Args:
        student: hidden representations, `[N, ..., D]`, such as tokens `[N, T, D]` or features `[N, D]`.
        teacher: of the same shape; no gradient flows through it.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> float(hidden_distance_loss(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))[0])
    2.0

    Reference: Lee et al., "Self-Distillation for Further Pre-training of Transformers", ICLR 2023.
    """
    if not same_shape(student.shape, teacher.shape) or len(student.shape) < 2:
        raise ValueError(
            "`student` and `teacher` must have one shape [N, ..., D]. "
            f"Received: student.shape={tuple(student.shape)}, teacher.shape={tuple(teacher.shape)}"
        )
    ops = keras.ops
    square = ops.square(as_float(student) - ops.stop_gradient(as_float(teacher, student)))
    return ops.mean(square, axis=tuple(range(1, len(square.shape))))
