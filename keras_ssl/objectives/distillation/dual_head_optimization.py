"""One head for labels, one for the teacher, and a mixture of both in use."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.losses.distillation.softened_kl_loss import softened_kl_loss
from keras_ssl.losses.numeric import as_float, check_positive
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2505.07675")
class DualHeadOptimization(LabelDistillation):
    """Dual-head optimization: few labels teach one head, the teacher the other; predictions are mixed.

    `w CE(y, s_ce)` over labeled samples plus `(1 - w) T^2 KL(softmax(t / T) || softmax(s_kd / T))` over all samples.
    The heads share the encoder alone. `predict` gives the logarithm of `a softmax(s_ce) + (1 - a) softmax(s_kd / b)`,
    whose softmax is that mixture. Logged: `loss`, `supervised`, `distilled`, `accuracy`, `teacher_accuracy`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: as for `LabelDistillation`: a classifier, an encoder, or stored logits.
        label_weight: w, in [0, 1]. Defaults to 0.5.
        temperature: T > 0. Defaults to 2, that of the authors' code.
        mix: a, in [0, 1]: 1 is the head of the labels, 0 that of the teacher. Defaults to 0.5.
        mix_temperature: b > 0. Defaults to 0.5.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.DualHeadOptimization(keras_ssl.encoders.ConvNet(), classes=10, teacher="dinov2_vits14")
    model.compile("adam")
    model.fit({"x": images, "y": labels}, epochs=10)  # a label of -1: unlabeled
    ```

    Reference:
        Kang et al., "Simple Semi-supervised Knowledge Distillation from Vision-Language Models via Dual-Head
        Optimization", 2025. The weight of the labels is our choice.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        label_weight: float = 0.5,
        temperature: float = 2.0,
        mix: float = 0.5,
        mix_temperature: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, teacher, temperature, **kwargs)
        for name, value in (("label_weight", label_weight), ("mix", mix)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"`{name}` must lie in [0, 1]. Received: {name}={value}")
        self.label_weight, self.mix = float(label_weight), float(mix)
        self.mix_temperature = check_positive("mix_temperature", mix_temperature)
        self.distilled_head = keras.layers.Dense(self.classes, name="distilled_head")
        self.distilled_head.build((None, self.feature_dim))

    def classify(self, features: Tensor) -> Tensor:
        """The logarithms of the mixed probabilities, `[N, classes]`."""
        return self._mixed(self.classifier(features), self.distilled_head(features))

    def _mixed(self, labels: Tensor, distilled: Tensor) -> Tensor:
        ops = keras.ops
        of_labels = ops.log_softmax(as_float(labels), axis=1)
        of_teacher = ops.log_softmax(as_float(distilled) / self.mix_temperature, axis=1)
        if self.mix in (0.0, 1.0):
            return of_labels if self.mix == 1.0 else of_teacher
        ratio = ops.log(ops.convert_to_tensor([self.mix, 1.0 - self.mix]))
        return ops.logaddexp(of_labels + ratio[0], of_teacher + ratio[1])

    def heads(self, features: Tensor) -> dict[str, Tensor]:
        return {"logits": self.classifier(features), "distilled": self.distilled_head(features)}

    def answer(self, embeddings: Mapping[str, Tensor]) -> Tensor:
        return self._mixed(embeddings["logits"], embeddings["distilled"])

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        supervised, labeled = label_losses(embeddings["logits"], embeddings["y"])
        distilled = softened_kl_loss(embeddings["distilled"], embeddings["teacher"], self.temperature)
        return {
            "supervised": Term(supervised, labeled, self.label_weight),
            "distilled": Term(distilled, None, 1.0 - self.label_weight),
        }
