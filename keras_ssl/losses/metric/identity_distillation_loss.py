"""Self-distillation across images of one identity."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.dino_loss import teacher_distributions
from keras_ssl.losses.metric.checks import check_finite_positive, check_labels
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.typing import Tensor

__all__ = ["identity_distillation_loss"]


def identity_distillation_loss(
    students: Sequence[Tensor],
    teachers: Sequence[Tensor],
    identities: Tensor,
    student_temperature: float = 0.1,
    teacher_temperature: float | Tensor = 0.04,
    center: Tensor | None = None,
    sinkhorn_iterations: int = 0,
) -> Tensor:
    r"""DINO's cross-entropy within each image, and between the images of one identity.

    `H(i, j)` is the cross-entropy of the teacher's distribution of image i and the student's of image j, the mean over
    all pairs of a teacher's and another student's view, as in `dino_loss`. An identity with n images in the batch has
    the loss

    `( mean_i H(i, i) + sum_{i != j} H(i, j) ) / ( n (n - 1) + 1 )`,

    and the result is the mean over the identities. With one image each it is `dino_loss`.

    Args:
        students: the student's outputs for all views, `[N, K]`, global views first.
        teachers: the teacher's outputs for the global views, in the same order, `[N, K]`.
        identities: integers `[N]`. A negative number is an identity of its own.
        student_temperature: T_s > 0. Defaults to 0.1.
        teacher_temperature: T_t > 0, a number or a tensor. Defaults to 0.04.
        center: `[K]`, subtracted from the teacher's outputs; None (default) is zero.
        sinkhorn_iterations: as for `dino_loss`. Defaults to 0.

    Returns:
        A scalar.

    Raises:
        ValueError: if a temperature is not positive, `sinkhorn_iterations` is no integer of at least 0, labels do not
            fit, or there are too few views.

    Example:

    >>> zero = np.zeros((3, 4))
    >>> round(float(identity_distillation_loss([zero, zero], [zero, zero], np.array([0, 0, 1]))), 4)  # log 4
    1.3863

    Reference:
        Zuo et al., "Cross-video Identity Correlating for Person Re-identification Pre-training", NeurIPS 2024.
    """
    check_finite_positive("student_temperature", student_temperature)
    check_integer("sinkhorn_iterations", sinkhorn_iterations, 0)
    ops = keras.ops
    pairs = [(t, s) for t in range(len(teachers)) for s in range(len(students)) if s != t]
    if not pairs:
        raise ValueError(
            "There must be a student's view besides the teacher's. "
            f"Received: {len(students)} student views, {len(teachers)} teacher views"
        )
    teachers = [as_float(view, students[0]) for view in teachers]
    targets = teacher_distributions(teachers, teacher_temperature, center, sinkhorn_iterations)
    logs = [ops.log_softmax(as_float(view, students[0]) / student_temperature, axis=1) for view in students]
    crossed = sum(ops.matmul(targets[t], ops.transpose(logs[s])) for t, s in pairs)
    entropy = -crossed / float(len(pairs))
    labels = ops.cast(check_labels("identities", identities, students[0].shape[0]), "int32")
    oneself = equal_pairs(ops.arange(ops.shape(entropy)[0], dtype="int32"))
    same = ops.logical_and(equal_pairs(labels), (labels >= 0)[:, None])
    same = ops.cast(ops.logical_or(same, oneself), entropy.dtype)
    own = ops.cast(oneself, entropy.dtype)
    count = ops.sum(same, axis=1)
    rows = ops.sum(own * entropy, axis=1) / count + ops.sum((same - own) * entropy, axis=1)
    return ops.sum(rows / (count * (count - 1.0) + 1.0)) / ops.sum(1.0 / count)
