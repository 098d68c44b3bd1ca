"""Distillation with a head of its own for the logits."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.losses.distillation.binary_kl_loss import binary_kl_loss
from keras_ssl.losses.distillation.softened_kl_loss import softened_kl_loss
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2411.08937")
class DualHeadDistillation(LabelDistillation):
    """Dual-head distillation: probabilities teach the classifier, logits teach a second one that is dropped.

    `CE(y, s) + a T^2 KL(softmax(t / T) || softmax(s / T))` of the classifier, plus `b` times the divergence of the
    logits one by one, `losses.binary_kl_loss(s', t)`, of an auxiliary linear head. The heads share the encoder alone,
    so their losses do not meet in one classifier. `predict` and exports know the classifier only. Logged: `loss`,
    `supervised`, `distilled`, `binary`, `accuracy`, `teacher_accuracy`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: as for `LabelDistillation`: a classifier, an encoder, or stored logits.
        teacher_weight: a, not negative. Defaults to 1.
        binary_weight: b, not negative; 0 is distillation without the second head. Defaults to 0.1.
        temperature: T > 0, of the classifier's loss. Defaults to 4.
        binary_temperature: of the logits' loss, > 0. Defaults to 2.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.DualHeadDistillation(keras_ssl.encoders.ConvNet(), classes=10, teacher=my_classifier)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Yang et al., "Dual-Head Knowledge Distillation: Enhancing Logits Utilization with an Auxiliary Head", 2024. The
        weights are our choice; the paper's alignment of gradients is left out.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        teacher_weight: float = 1.0,
        binary_weight: float = 0.1,
        temperature: float = 4.0,
        binary_temperature: float = 2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, teacher, temperature, **kwargs)
        for name, value in (("teacher_weight", teacher_weight), ("binary_weight", binary_weight)):
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
        if not 0.0 < binary_temperature < float("inf"):
            raise ValueError(
                f"`binary_temperature` must be greater than 0. Received: binary_temperature={binary_temperature}"
            )
        self.teacher_weight, self.binary_weight = float(teacher_weight), float(binary_weight)
        self.binary_temperature = float(binary_temperature)
        self.auxiliary = keras.layers.Dense(self.classes, name="auxiliary")
        self.auxiliary.build((None, self.feature_dim))

    def heads(self, features: Tensor) -> dict[str, Tensor]:
        return {"logits": self.classify(features), "auxiliary": self.auxiliary(features)}

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        student, teacher = embeddings["logits"], embeddings["teacher"]
        supervised, labeled = label_losses(student, embeddings["y"])
        return {
            "supervised": Term(supervised, labeled),
            "distilled": Term(softened_kl_loss(student, teacher, self.temperature), None, self.teacher_weight),
            "binary": Term(
                binary_kl_loss(embeddings["auxiliary"], teacher, self.binary_temperature), None, self.binary_weight
            ),
        }
