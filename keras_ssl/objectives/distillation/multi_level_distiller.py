"""Distillation of logits and of the similarities at layers in between."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.distillation.relational_loss import similarity_matrix_loss
from keras_ssl.losses.distillation.softened_kl_loss import softened_kl_loss
from keras_ssl.objectives.distillation.inner_encoder import inner_encoder
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor

BETWEEN = ("samples", "parts")


@register("objective", family="distillation", paper="https://arxiv.org/abs/2211.11300")
class MultiLevelDistiller(LabelDistillation):
    """Multi-level distillation: the teacher's logits, and at layers in between the similarities that it sees.

    `w_y CE(y, s) + a T^2 KL(softmax(t / T) || softmax(s / T)) + b mean_l ||cos(S_l) - cos(T_l)||^2`: the first mean is
    over labeled samples; the last part is `losses.similarity_matrix_loss` over pairs of layers of student and teacher:
    of the matrices of cosines between the samples of the global batch (outputs are averaged over places or tokens
    first), or between the places of each sample. Layers may differ in width. Logged: `loss`, `supervised`, `distilled`,
    `similarity`, `accuracy`, `teacher_accuracy`.

    A student that saw nothing but the data in question is surprised by others: see `evaluation.perplexity_scores`.

    Args:
        encoder: the student: a functional `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: a classifier or an encoder, as for `LabelDistillation`, functional, so that its layers are found.
        layers: names of layers: each of the student with one of the teacher. Defaults to None: of both, the last layer
            before the logits, the features.
        similarity_weight: b, not negative; 0 is distillation of logits. Defaults to 1.
        teacher_weight: a, not negative. Defaults to 1.
        label_weight: w_y, not negative. Defaults to 1; the paper has no labels, 0.
        between: "samples" (default), or "parts": places or tokens, of which both layers must have as many.
        temperature: T > 0. Defaults to 4.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher or a layer cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.MultiLevelDistiller(
        keras_ssl.encoders.ConvNet(), classes=10, teacher=my_classifier, layers={"stage3": "conv4"}
    )
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Wu et al., "Multi-Level Knowledge Distillation for Out-of-Distribution Detection in Text", ACL 2023. There for
        language models, whose tokens are the parts.
    """

    scope: ClassVar[str] = "both"
    takes_stored_logits: ClassVar[bool] = False
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits"}
    stored_as: ClassVar[dict[str, str]] = {"layers": "layer_names"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        layers: Mapping[str, str] | None = None,
        similarity_weight: float = 1.0,
        teacher_weight: float = 1.0,
        label_weight: float = 1.0,
        between: str = "samples",
        temperature: float = 4.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, teacher, temperature, **kwargs)
        self.similarity_weight = check_number("similarity_weight", similarity_weight, 0.0)
        self.teacher_weight = check_number("teacher_weight", teacher_weight, 0.0)
        self.label_weight = check_number("label_weight", label_weight, 0.0)
        if between not in BETWEEN:
            raise ValueError(f"`between` must be one of {', '.join(BETWEEN)}. Received: between={between!r}")
        self.between = between
        self.layer_names = None if layers is None else dict(layers)
        if layers is not None and not layers:
            raise ValueError(f"`layers` must hold at least one pair of names. Received: layers={layers}")
        if layers is None and between == "parts":
            raise ValueError("Features have no parts: name `layers`. Received: between='parts', layers=None")
        self._prepare, of_pixels = inner_encoder(self.teacher_model)
        student_names, teacher_names = (list(layers), list(layers.values())) if layers else (None, None)
        # In a closure, so that Keras does not track the layers twice, nor the teacher's at all.
        student_part, teacher_part = _outputs(encoder, student_names), _outputs(of_pixels, teacher_names)
        self._parts: Callable[[], tuple[Any, Any]] = lambda: (student_part, teacher_part)

    @property
    def compares_samples(self) -> bool:
        return self.between == "samples"

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        view, inputs = self.view_pairs(batch, step)[0]
        student_part, teacher_part = self._parts()
        features, *mine = student_part(inputs, training=step.training)
        logits = self.teacher_logits(view, batch)  # first: it names inputs that the teacher does not take
        _, *theirs = teacher_part(self._prepare(view), training=False)
        found = {
            "features": ops.stop_gradient(features),
            "teacher": logits,
            "y": batch["y"],
            **self.heads(features),
        }
        for place, (s, t) in enumerate(zip(mine, theirs, strict=True)):
            found[f"student_layer{place}"] = _arranged(s, self.between)
            found[f"teacher_layer{place}"] = ops.stop_gradient(_arranged(t, self.between))
        return found

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> Sequence[str]:
        return tuple(name for name in embeddings if "_layer" in name)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        count = len(embeddings) // 2
        found = [
            similarity_matrix_loss(embeddings[f"student_layer{place}"], embeddings[f"teacher_layer{place}"])
            for place in range(count)
        ]
        similarity = sum(found[1:], found[0]) / count
        return self.similarity_weight * similarity, {"similarity": similarity}

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        supervised, labeled = label_losses(embeddings["logits"], embeddings["y"])
        distilled = softened_kl_loss(embeddings["logits"], embeddings["teacher"], self.temperature)
        return {
            "supervised": Term(supervised, labeled, self.label_weight),
            "distilled": Term(distilled, None, self.teacher_weight),
        }


def _outputs(model: keras.Model, names: Sequence[str] | None) -> keras.Model:
    """A model that gives a model's own output, and those of layers; without names its own output twice."""
    known = {layer.name: layer for layer in getattr(model, "layers", ())}
    if not getattr(model, "inputs", None):
        raise ValueError(f"A model must be functional, so that its layers are found. Received: {model!r}")
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(f"`layers` must name layers of {model.name}: {', '.join(known)}. Received: {unknown}")
    output = model.outputs[0]  # a Sequential has no `output` before it is called
    chosen = [output] if names is None else [known[name].output for name in names]
    return keras.Model(model.inputs, [output, *chosen])


def _arranged(outputs: Tensor, between: str) -> Tensor:
    """Outputs of a layer as features `[N, D]`, or as parts `[N, S, D]`."""
    ops = keras.ops
    width = outputs.shape[-1]
    if len(outputs.shape) == 2 and between == "samples":
        return outputs
    if len(outputs.shape) < 3:
        raise ValueError(f"A layer with parts must give [N, ..., D]. Received: shape {tuple(outputs.shape)}")
    parts = ops.reshape(outputs, (-1, _size(outputs.shape[1:-1]), width))
    return ops.mean(parts, axis=1) if between == "samples" else parts


def _size(shape: Sequence[int | None]) -> int:
    total = 1
    for side in shape:
        if side is None:
            raise ValueError(f"The number of places must be known. Received: places {tuple(shape)}")
        total *= int(side)
    return total
