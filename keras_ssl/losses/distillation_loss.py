"""Distillation: the divergence of two distributions given by logits."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive
from keras_ssl.typing import Tensor


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    r"""KL divergence of the student's distribution from the teacher's, `mean_i sum_k p_ik log(p_ik / q_ik)`.

    `p_i = softmax(t_i / T)`, `q_i = softmax(s_i / T)`. Only the student gets a gradient, `(q_i - p_i) / (N T)`. It is
    written out here, because that of two logarithms is zero only up to rounding where the logits are equal, which
    Adam turns into steps of full size.

    Args:
        student: logits, `[N, K]`.
        teacher: logits, `[N, K]`.
        temperature: T > 0. Defaults to 1.

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: if the temperature is not positive or the logits are not two matrices of one shape.

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    check_positive("temperature", temperature)
    student, teacher = as_float(student), as_float(teacher, student)
    check_pair(student, teacher)
    ops = keras.ops
    fixed, teacher = ops.stop_gradient(student), ops.stop_gradient(teacher)
    p, q = (ops.log_softmax(logits / temperature, axis=1) for logits in (teacher, fixed))
    divergence = ops.sum(ops.exp(p) * (p - q), axis=1)
    pull = (ops.exp(q) - ops.exp(p)) / temperature
    return ops.mean(divergence + ops.sum(pull * (student - fixed), axis=1))
