"""Agreement of student and teacher on how similar a sample is to a queue of teacher features."""

import keras

from keras_ssl.losses.numeric import check_positive, l2_normalize
from keras_ssl.typing import Tensor


def similarity_distillation_loss(student: Tensor, teacher: Tensor, queue: Tensor, temperature: float = 0.07) -> Tensor:
    """The divergence of the student's similarities to a queue from the teacher's, for each sample.

    With L2-normalized rows, `p_t = softmax(teacher queue' / T)` and `p_s = softmax(student queue' / T)`:
    `KL(p_t || p_s)`. It is 0 where the student agrees with its teacher.

    Args:
        student: `[N, D]`.
        teacher: `[N, D]`; no gradient flows through it.
        queue: features of the teacher, `[K, D]`; no gradient flows through it.
        temperature: T > 0. Defaults to 0.07.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit, or `temperature` is not positive.

    Example:

    >>> z = keras.ops.array([[1.0, 0.0]])
    >>> float(similarity_distillation_loss(z, z, keras.ops.eye(2))[0])
    0.0
    """
    check_positive("temperature", temperature)
    widths = {int(part.shape[-1]) for part in (student, teacher, queue)}
    if len(widths) > 1:
        raise ValueError(
            "`student`, `teacher` and `queue` must have rows of one width. "
            f"Received: student.shape={tuple(student.shape)}, teacher.shape={tuple(teacher.shape)}, "
            f"queue.shape={tuple(queue.shape)}"
        )
    ops = keras.ops
    rows = ops.transpose(ops.stop_gradient(l2_normalize(queue, student)))
    target = ops.matmul(ops.stop_gradient(l2_normalize(teacher, student)), rows) / temperature
    own = ops.log_softmax(ops.matmul(l2_normalize(student), rows) / temperature, axis=1)
    log_target = ops.log_softmax(target, axis=1)
    return ops.sum(ops.exp(log_target) * (log_target - own), axis=1)
