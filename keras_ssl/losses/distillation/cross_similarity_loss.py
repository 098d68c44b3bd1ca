"""Distillation of the similarities between two sets of embeddings, row by row."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["cross_similarity_loss", "disagreement_weights"]


def cross_similarity_loss(
    student_queries: Tensor,
    student_keys: Tensor,
    teacher_queries: Tensor,
    teacher_keys: Tensor,
    temperature: float = 0.1,
) -> Tensor:
    """Contrastive distillation: `KL(softmax_j(cos(t_i, t'_j) / T) || softmax_j(cos(s_i, s'_j) / T))` of each query i.

    Keys are those of all samples of the batch: one belongs to the query, the others are its negatives. Student and
    teacher may have different widths. No gradient flows to the teacher.

    Args:
        student_queries, student_keys: of two views (or an image and its text) of each sample, `[N, D]`.
        teacher_queries, teacher_keys: the teacher's, `[N, E]`.
        temperature: T > 0. Defaults to 0.1.

    Returns:
        float32 `[N]`, at least 0.

    Raises:
        ValueError: if the temperature is not positive or shapes do not fit.

    Example:

    >>> a, b = np.eye(3, dtype="float32"), np.eye(3, dtype="float32")[::-1].copy()
    >>> float(keras.ops.sum(cross_similarity_loss(a, b, 2 * a, 3 * b))) < 1e-6
    True

    Reference: Rao et al., "Dynamic Contrastive Distillation for Image-Text Retrieval", 2022.
    """
    check_positive("temperature", temperature)
    check_pair(student_queries, student_keys)
    check_pair(teacher_queries, teacher_keys)
    if student_queries.shape[0] != teacher_queries.shape[0]:
        raise ValueError(
            "Student and teacher must have as many rows. "
            f"Received: shapes {tuple(student_queries.shape)} and {tuple(teacher_queries.shape)}"
        )
    ops = keras.ops
    log_q = _log_rows(student_queries, student_keys, temperature, student_queries)
    log_p = ops.stop_gradient(_log_rows(teacher_queries, teacher_keys, temperature, student_queries))
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=1)


def disagreement_weights(disagreement: Tensor, strength: Tensor | float = 1.0) -> Tensor:
    """Weights of samples by how far student and teacher disagree: `softmax(b d / mean(d))`, without gradient.

    Args:
        disagreement: d, not negative, `[N]`.
        strength: b, not negative; 0 weighs all samples alike. Defaults to 1.

    Returns:
        float32 `[N]`, which sum to 1; the larger the disagreement, the larger, where b > 0.

    Raises:
        ValueError: if `strength` is a number that is negative or not finite.

    Example:

    >>> [round(float(w), 3) for w in disagreement_weights(keras.ops.array([0.0, 1.0, 2.0]), 1.0)]
    [0.09, 0.245, 0.665]
    """
    if isinstance(strength, int | float):
        check_number("strength", strength, 0.0)
    ops = keras.ops
    d = ops.stop_gradient(as_float(disagreement))
    return ops.softmax(ops.cast(strength, d.dtype) * d / ops.maximum(ops.mean(d), 1e-12))


def _log_rows(queries: Tensor, keys: Tensor, temperature: float, like: Tensor) -> Tensor:
    ops = keras.ops
    cosines = ops.matmul(l2_normalize(queries, like), ops.transpose(l2_normalize(keys, like)))
    return ops.log_softmax(cosines / temperature, axis=1)
