"""FerKD: a teacher's soft labels, but for the views that it does not know."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.distillation.calibrated_targets import calibrated_targets, teacher_confidence
from keras_ssl.losses.numeric import as_float
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.objectives.distillation.self_mix import draw_boxes, self_mix
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2312.17473")
class FerKD(LabelDistillation):
    """FerKD: crops get the teacher's soft label where it is confident, a smoothed label where not, or none.

    `CE(target, s)`, a mean over all samples that are kept. Targets are `losses.calibrated_targets`: the teacher's
    probabilities of the crop, or the smoothed label where its confidence is at most `threshold`. A crop whose
    confidence lies outside `[drop_below, drop_above]` does not count. Every image has two crops; with the probability
    `mix` a box of the second is laid into the first (SelfMix), and targets are mixed by the area, those of crops that
    do not count left out. Logged: `loss`, `distilled` (the same), `calibrated` (share of first crops with a smoothed
    label), `kept` (share of first crops that count), `accuracy`, `teacher_accuracy`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: as for `LabelDistillation`: a classifier, an encoder, or stored logits, which are those of both crops.
        threshold: in [0, 1]; 0 is plain distillation of soft labels, 1 label smoothing. Defaults to 0.3.
        smoothing: of labels, in [0, 1). Defaults to 0.1.
        drop_below, drop_above: confidences, in [0, 1]. Default to 0 and 1: no crop is dropped.
        mix: probability of SelfMix, in [0, 1]. Defaults to 0.5.
        **kwargs: `views` (default: two crops with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.FerKD(keras_ssl.encoders.ConvNet(), classes=10, teacher=my_classifier)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Shen, "FerKD: Surgical Label Adaptation for Efficient Distillation", ICCV 2023. There the teacher's outputs of
        many crops are stored; here it sees the crops of the step. Thresholds and how boxes are drawn are not in the
        public code: ours.
    """

    view_count: ClassVar[int] = 2
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits", "threshold": 0.0}
    fixed_arguments: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        threshold: float = 0.3,
        smoothing: float = 0.1,
        drop_below: float = 0.0,
        drop_above: float = 1.0,
        mix: float = 0.5,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("temperature", None)
        super().__init__(encoder, classes, teacher, 1.0, **kwargs)
        self.threshold = check_number("threshold", threshold, 0.0, 1.0)
        self.smoothing = check_number("smoothing", smoothing, 0.0, 1.0, below=True)
        self.drop_below = check_number("drop_below", drop_below, 0.0, 1.0)
        self.drop_above = check_number("drop_above", drop_above, 0.0, 1.0)
        if self.drop_below >= self.drop_above:
            raise ValueError(
                "`drop_below` must be less than `drop_above`. "
                f"Received: drop_below={drop_below}, drop_above={drop_above}"
            )
        self.mix = check_number("mix", mix, 0.0, 1.0)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        (view, inputs), (second_view, second) = self.view_pairs(batch, step)[:2]
        share = ops.zeros_like(step.position, "float32")
        if step.training and self.mix:
            boxes = draw_boxes(step.stream(), inputs.shape[1], inputs.shape[2], self.mix)
            inputs, share = self_mix(inputs, second, boxes)
        features = self.encoder(inputs, training=step.training)
        return {
            "features": ops.stop_gradient(features),
            "teacher": self.teacher_logits(view, batch),
            "second_teacher": ops.stop_gradient(self.teacher_logits(second_view, batch)),
            "share": share,
            "y": batch["y"],
            **self.heads(features),
        }

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, embeddings["y"]
        first, second = (self._target(embeddings[name], labels) for name in ("teacher", "second_teacher"))
        share = embeddings["share"]
        weights = (1.0 - share) * first[1], share * second[1]
        weight = weights[0] + weights[1]
        target = weights[0][:, None] * first[0] + weights[1][:, None] * second[0]
        target = ops.stop_gradient(target / ops.maximum(weight, 1e-12)[:, None])
        losses = -ops.sum(target * ops.log_softmax(as_float(embeddings["logits"]), axis=1), axis=1)
        unsure = ops.cast(teacher_confidence(embeddings["teacher"]) <= self.threshold, "float32")
        return {
            "distilled": Term(losses, weight),
            "calibrated": Term(unsure * ops.cast(labels >= 0, "float32"), None, 0.0),
            "kept": Term(first[1], None, 0.0),
        }

    def _target(self, teacher: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Targets of a crop, and 1 where it counts, else 0."""
        ops, confidence = keras.ops, teacher_confidence(teacher)
        kept = ops.logical_and(confidence >= self.drop_below, confidence <= self.drop_above)
        return calibrated_targets(teacher, labels, self.threshold, self.smoothing), ops.cast(kept, "float32")
