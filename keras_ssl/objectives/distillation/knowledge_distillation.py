"""Hinton's knowledge distillation, and the two losses that take it apart."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.losses.distillation.decoupled_kl_loss import decoupled_kl_loss
from keras_ssl.losses.distillation.normalized_kd_loss import normalized_kd_loss
from keras_ssl.losses.distillation.softened_kl_loss import softened_kl_loss
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor

LOSSES = ("softened", "decoupled", "normalized")


@register("objective", family="distillation", paper="https://arxiv.org/abs/1503.02531")
class KnowledgeDistillation(LabelDistillation):
    """Knowledge distillation: a classifier learns from labels and from the logits of a teacher.

    `(1 - a) CE(y, s) + a D(t, s)`: the first mean is over labeled samples, the second over all. D is
    `T^2 KL(softmax(t / T) || softmax(s / T))`, or a loss that takes it apart: `losses.decoupled_kl_loss` (DKD) or
    `losses.normalized_kd_loss` (NKD), which use the true class, or the teacher's answer where there is no label.
    Logged: `loss`, `supervised`, `distilled`, `accuracy`, `teacher_accuracy`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: as for `LabelDistillation`: a classifier, an encoder, or stored logits.
        teacher_weight: a, in [0, 1]. Defaults to 0.9.
        temperature: T > 0. Defaults to 4.
        loss: "softened", "decoupled" or "normalized". Defaults to "softened".
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.KnowledgeDistillation(keras_ssl.encoders.ConvNet(), classes=10, teacher="dinov2_vits14")
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015; Zhao et al., "Decoupled Knowledge
        Distillation", CVPR 2022; Yang et al., "From Knowledge Distillation to Self-Knowledge Distillation", ICCV 2023.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits"}
    stored_as: ClassVar[dict[str, str]] = {"loss": "distillation_loss"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        teacher_weight: float = 0.9,
        temperature: float = 4.0,
        loss: str = "softened",
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, teacher, temperature, **kwargs)
        if not 0.0 <= teacher_weight <= 1.0:
            raise ValueError(f"`teacher_weight` must lie in [0, 1]. Received: teacher_weight={teacher_weight}")
        if loss not in LOSSES:
            raise ValueError(f"`loss` must be one of {', '.join(LOSSES)}. Received: loss={loss!r}")
        self.teacher_weight, self.distillation_loss = float(teacher_weight), loss

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        student, teacher, labels = embeddings["logits"], embeddings["teacher"], embeddings["y"]
        supervised, labeled = label_losses(student, labels)
        if self.distillation_loss == "softened":
            distilled = softened_kl_loss(student, teacher, self.temperature)
        elif self.distillation_loss == "decoupled":
            distilled = decoupled_kl_loss(student, teacher, labels, self.temperature)
        else:
            distilled = normalized_kd_loss(student, teacher, labels, self.temperature)
        return {
            "supervised": Term(supervised, labeled, 1.0 - self.teacher_weight),
            "distilled": Term(distilled, None, self.teacher_weight),
        }
