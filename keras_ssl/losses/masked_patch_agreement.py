"""Cosines of masked patches with a teacher's."""

import keras

from keras_ssl.losses.numeric import l2_normalize, masked_mean, same_shape
from keras_ssl.typing import Tensor

__all__ = ["masked_patch_agreement"]


def masked_patch_agreement(students: Tensor, teachers: Tensor, chosen: Tensor) -> Tensor:
    """The mean cosine of the masked patches of each sample with the teacher's of the same patches.

    `sum_t chosen_t cos(student_t, teacher_t) / sum_t chosen_t`; 0 for a sample of which nothing is chosen. So each
    image counts alike, however many of its patches are masked. With rows of length 1, half the squared distance of
    student and teacher is 1 minus the cosine.

    Args:
        students: the student's embeddings of patches that it did not see, `[N, M, D]`.
        teachers: the teacher's embeddings of the same patches, `[N, M, D]`; no gradient flows through them.
        chosen: 1 for patches that count, else 0; `[N, M]`.

    Returns:
        float32 `[N]`, in [-1, 1].

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> one, two = np.array([[[2.0, 0.0], [1.0, 0.0]]]), np.array([[[3.0, 0.0], [0.0, 1.0]]])
    >>> round(float(masked_patch_agreement(one, two, np.array([[1.0, 1.0]]))[0]), 4)  # cosines 1 and 0
    0.5

    Reference: Wu et al., "Simplifying DINO via Coding Rate Regularization", ICML 2025.
    """
    if not same_shape(students.shape, teachers.shape) or len(students.shape) != 3:
        raise ValueError(
            "`students` and `teachers` must have one shape [N, M, D]. "
            f"Received: students.shape={tuple(students.shape)}, teachers.shape={tuple(teachers.shape)}"
        )
    ops = keras.ops
    cosines = ops.sum(l2_normalize(students) * ops.stop_gradient(l2_normalize(teachers, students)), axis=-1)
    return masked_mean(cosines, "chosen", chosen)
