"""The relational loss of ReSSL."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.losses.view_similarities import log_sum_exp
from keras_ssl.typing import Tensor


def ressl_loss(
    student: Tensor,
    teacher: Tensor,
    bank: Tensor,
    temperature: float = 0.1,
    teacher_temperature: float = 0.04,
    unit_bank: bool = False,
) -> Tensor:
    r"""ReSSL: student and teacher should relate an image to the images of a bank in the same way.

    Cross-entropy `-1/N sum_i sum_k p_ik log q_ik` with `p_i = softmax_k(t_i.b_k / T_t)` of the teacher and
    `q_i = softmax_k(s_i.b_k / T_s)` of the student, all rows L2-normalized. Chance value: `log(K)`. For `T_t` towards
    0, `p` is the bank's row nearest to the teacher's embedding. The gradient is not stopped here: a teacher's
    embedding carries none.

    Args:
        student: `[N, D]`.
        teacher: `[N, D]`, of another view of the same images.
        bank: embeddings of other images, `[K, D]`.
        temperature: T_s > 0. Defaults to `0.1`.
        teacher_temperature: T_t > 0, lower than the student's. Defaults to `0.04`.
        unit_bank: whether the rows of `bank` have length 1 as they come. A large bank is then not copied. Defaults to
            False.

    Returns:
        A scalar.

    Raises:
        ValueError: if a temperature is not positive or the embeddings are not two matrices of one shape.

    Reference:
        Zheng et al., "ReSSL: Relational Self-Supervised Learning with Weak Augmentation", NeurIPS 2021.
    """
    check_positive("temperature", temperature)
    check_positive("teacher_temperature", teacher_temperature)
    student, teacher = as_float(student), as_float(teacher, student)
    check_pair(student, teacher)
    student, teacher = l2_normalize(student), l2_normalize(teacher)
    bank = as_float(bank, student) if unit_bank else l2_normalize(bank, student)
    columns = keras.ops.transpose(bank)
    target = keras.ops.softmax(keras.ops.matmul(teacher, columns) / teacher_temperature, axis=1)
    # `sum_k p_k (s.b_k)` is a product with the mean row of the bank: no matrix [N, K] of the teacher's waits for the
    # gradient.
    expected = keras.ops.sum(student * keras.ops.matmul(target, bank), axis=1) / temperature
    return keras.ops.mean(log_sum_exp(keras.ops.matmul(student, columns) / temperature) - expected)
