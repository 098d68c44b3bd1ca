"""The loss of DINO."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_positive
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.losses.swapped_prediction_loss import swapped_prediction_loss
from keras_ssl.typing import Tensor


def dino_loss(
    students: Sequence[Tensor],
    teachers: Sequence[Tensor],
    student_temperature: float = 0.1,
    teacher_temperature: float | Tensor = 0.04,
    center: Tensor | None = None,
    sinkhorn_iterations: int = 0,
) -> Tensor:
    r"""Cross-entropy between the teacher's sharpened distribution of one view and the student's of another.

    `swapped_prediction_loss(students / T_s, softmax((teachers - center) / T_t))`: pairs of one and the same view are
    left out. Chance value: `log K`. With equal logits, temperatures and views it is the entropy of the teacher.

    Args:
        students: the student's outputs for all views, `[N, K]`, global views first.
        teachers: the teacher's outputs for the global views, in the same order, `[N, K]`.
        student_temperature: T_s > 0. Defaults to `0.1`.
        teacher_temperature: T_t > 0, a number or a tensor that broadcasts with `[N, K]`. Defaults to `0.04`.
        center: `[K]`, subtracted from the teacher's outputs; None (default) is zero.
        sinkhorn_iterations: above 0, the targets are `sinkhorn(teacher, T_t, sinkhorn_iterations)` of each view's
            global batch, which no center changes; 3 is usual. Defaults to 0, the softmax.

    Returns:
        A scalar.

    Raises:
        ValueError: if a temperature is not positive, or there are too few views.

    Reference:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021; for Sinkhorn-Knopp
        Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023.
    """
    targets = teacher_distributions(teachers, teacher_temperature, center, sinkhorn_iterations)
    return loss_of_targets(students, targets, student_temperature)


def loss_of_targets(students: Sequence[Tensor], targets: Sequence[Tensor], student_temperature: float) -> Tensor:
    """`dino_loss`, where the teacher's distributions are there already."""
    check_positive("student_temperature", student_temperature)
    return swapped_prediction_loss([as_float(view) / student_temperature for view in students], targets)


def teacher_distributions(
    teachers: Sequence[Tensor],
    temperature: float | Tensor = 0.04,
    center: Tensor | None = None,
    sinkhorn_iterations: int = 0,
) -> list[Tensor]:
    """The teacher's distribution of each view, `[N, K]`, as in `dino_loss`."""
    if isinstance(temperature, int | float):
        check_positive("teacher_temperature", temperature)
    outputs = [as_float(view) if center is None else as_float(view) - as_float(center, view) for view in teachers]
    if sinkhorn_iterations:
        return [sinkhorn(view / temperature, 1.0, sinkhorn_iterations) for view in outputs]
    return [keras.ops.softmax(view / temperature, axis=1) for view in outputs]
