"""Fine-tuning that keeps the base model's own right answers as targets."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2502.08130")
class SelectiveSelfTargets(LabelDistillation):
    """Selective self-to-supervised fine-tuning: soft targets of the base model where it is right, labels elsewhere.

    `CE(target, s)`, a mean over the labeled samples; the target is `softmax(base)` where its most likely class is the
    label, and the label where not. The model so drifts less from the base than by the labels alone. Logged: `loss`,
    `supervised` (the same), `own_answers` (share of targets of the base), `accuracy`, `teacher_accuracy`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: the base model, as for `LabelDistillation`: a classifier, an encoder, or stored logits.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the base model cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.SelectiveSelfTargets(encoder, classes=10, teacher=base_classifier)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Gupta et al., "Selective Self-to-Supervised Fine-Tuning for Generalization in Large Language Models", 2025. That
        is about texts that a judge accepts; its counterpart for classifiers is ours.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits"}
    fixed_arguments: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(self, encoder: keras.Model, classes: int, teacher: Any, **kwargs: Any) -> None:
        kwargs.pop("temperature", None)
        super().__init__(encoder, classes, teacher, 1.0, **kwargs)

    @property
    def needs_labels(self) -> bool:
        """True: the loss is a mean over the labeled samples."""
        return True

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels, teacher = keras.ops, embeddings["y"], as_float(embeddings["teacher"])
        hard, labeled = label_losses(embeddings["logits"], labels)
        right = ops.cast(
            ops.equal(ops.cast(ops.argmax(teacher, axis=1), "int32"), ops.cast(labels, "int32")), "float32"
        )
        log_s = ops.log_softmax(as_float(embeddings["logits"]), axis=1)
        soft = -ops.sum(ops.softmax(teacher, axis=1) * log_s, axis=1)
        return {
            "supervised": Term(ops.where(right > 0.0, soft, hard), labeled),
            "own_answers": Term(right, labeled, 0.0),
        }
