"""Divergence of logits taken one by one, as Bernoulli variables."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive
from keras_ssl.typing import Tensor

__all__ = ["binary_kl_loss"]


def binary_kl_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    r"""The sum over classes of the KL divergence between Bernoulli variables given by logits.

    `sum_k KL(Bern(sigmoid(t_k / T)) || Bern(sigmoid(s_k / T)))` of each sample. Unlike a softmax, it sees a constant
    that is added to all logits. No gradient flows to the teacher.

    Args:
        student: logits, `[N, K]`.
        teacher: logits, `[N, K]`.
        temperature: T > 0. Defaults to 1.

    Returns:
        float32 `[N]`, at least 0; 0 only for equal logits.

    Raises:
        ValueError: if the temperature is not positive or the logits are not two matrices of one shape.

    Example:

    >>> loss = binary_kl_loss(keras.ops.array([[2.0, 3.0, 4.0]]), keras.ops.array([[-2.0, -1.0, 0.0]]))
    >>> bool(loss[0] > 3.2)
    True

    Reference: Yang et al., "Dual-Head Knowledge Distillation: Enhancing Logits Utilization with an Auxiliary Head",
    2024.
    """
    check_positive("temperature", temperature)
    check_pair(student, teacher)
    ops = keras.ops
    student, teacher = as_float(student) / temperature, ops.stop_gradient(as_float(teacher, student)) / temperature
    p = ops.sigmoid(teacher)
    # p (log p - log q) + (1 - p) (log (1 - p) - log (1 - q)), with log (1 - sigmoid(x)) = log sigmoid(-x).
    of_true = p * (ops.log_sigmoid(teacher) - ops.log_sigmoid(student))
    of_false = (1.0 - p) * (ops.log_sigmoid(-teacher) - ops.log_sigmoid(-student))
    return ops.sum(of_true + of_false, axis=1)
