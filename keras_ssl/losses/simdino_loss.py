"""The loss of SimDINO."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.coding_rate import coding_rate
from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["simdino_terms"]


def simdino_terms(
    students: Sequence[Tensor], teachers: Sequence[Tensor], epsilon: float = 0.5, with_teacher: bool = True
) -> tuple[Tensor, Tensor]:
    r"""Agreement of student and teacher, and the coding rate that keeps embeddings apart.

    With rows of length 1, the agreement is the mean over samples and over all pairs of a teacher's view t and *another*
    view s of the student's, of the cosine of the two. The expansion is

        gamma * mean over global views v of R((s_v + t_v) / 2),  gamma = (D + N) / (D N),

    with the coding rate R of `coding_rate`. SimDINO minimizes `expansion` and `agreement` with a minus each. The
    teacher gets no gradient.

    Args:
        students: the student's embeddings of all views, `[N, D]`, global views first, of the whole global batch.
        teachers: the teacher's embeddings of the global views, in the same order, `[N, D]`.
        epsilon: of the coding rate. Defaults to 0.5.
        with_teacher: whether the coding rate is that of the mean of student and teacher, or of the student alone;
            the authors' code knows both. Defaults to True.

    Returns:
        `(agreement, expansion)`, scalars.

    Raises:
        ValueError: if there are fewer than two views, no teacher's, or more of the teacher's than of the student's.

    Example:

    >>> z = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> agreement, expansion = simdino_terms([z, z], [z, z])
    >>> float(agreement), round(float(expansion), 4)  # gamma = 1, 2/2 log(1 + 1 / 0.5)
    (1.0, 1.0986)

    Reference: Wu et al., "Simplifying DINO via Coding Rate Regularization", ICML 2025.
    """
    if len(students) < 2 or not 1 <= len(teachers) <= len(students):
        raise ValueError(
            "There must be at least two views, and at least one of the teacher's but no more than of the student's. "
            f"Received: students={len(students)} views, teachers={len(teachers)} views"
        )
    ops = keras.ops
    students = [l2_normalize(view, students[0]) for view in students]
    teachers = [ops.stop_gradient(l2_normalize(view, students[0])) for view in teachers]
    cosines = [
        ops.mean(ops.sum(teacher * student, axis=1))
        for number, teacher in enumerate(teachers)
        for other, student in enumerate(students)
        if other != number
    ]
    pairs = zip(students[: len(teachers)], teachers, strict=True)
    rates = [coding_rate(0.5 * (s + t) if with_teacher else s, epsilon) for s, t in pairs]
    width, count = float(students[0].shape[1]), ops.cast(ops.shape(students[0])[0], students[0].dtype)
    gamma = (width + count) / (width * count)
    return sum(cosines) / len(cosines), gamma * sum(rates) / len(rates)
