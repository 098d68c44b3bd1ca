"""The base of objectives in which a classifier learns from a teacher's logits."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.distillation.crop_model import CropModel
from keras_ssl.objectives.distillation.stored_logits import StoredLogits, as_teacher
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


class LabelDistillation(CropModel):
    """A classifier that learns from a frozen teacher; the base of the methods that do so.

    A subclass gives `distillation(embeddings, step)`, the terms beside the cross-entropy of the labels.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: what gives the teacher's logits. A built `keras.Model` or the name of one, that maps images in [0, 1]
            to `[N, classes]`: its outputs are the logits. One of another width, such as any encoder of
            `keras_ssl.list_models()`: a linear classifier on its features is trained beside the student, on the labels.
            Stored logits, found by `index`: an array `[samples, classes]`, or `{"stored_logits": path}` of a file that
            `numpy.save` wrote.
        temperature: T > 0, of the teacher's and the student's logits. Defaults to 4.
        **kwargs: as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, stored logits have another number of classes, or an argument is out
            of range.
    """

    without_labels: ClassVar[str | None] = "SimilarityDistillation"
    takes_stored_logits: ClassVar[bool] = True
    stored_as: ClassVar[dict[str, str]] = {"teacher": "teacher.argument"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        temperature: float = 4.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        self.temperature = check_positive("temperature", temperature)
        self.teacher = as_teacher(teacher)
        if not self.takes_stored_logits:
            _ = self.teacher_model
        self.teacher_head: keras.layers.Dense | None = None
        if self.teacher.width != self.classes:
            if isinstance(self.teacher, StoredLogits):
                raise ValueError(
                    f"Stored logits must have `classes` = {self.classes} columns. "
                    f"Received: teacher with {self.teacher.width} columns"
                )
            self.teacher_head = keras.layers.Dense(self.classes, name="teacher_head")
            self.teacher_head.build((None, self.teacher.width))

    @property
    def teacher_model(self) -> keras.Model:
        """The teacher.

        Raises:
            ValueError: if stored logits stand for it.
        """
        if isinstance(self.teacher, StoredLogits):
            raise ValueError("Stored logits have no layers: give a model. Received: teacher of stored logits")
        return self.teacher.model

    @property
    def batch_fields(self) -> Mapping[str, Field]:
        return {**self.fields, "index": Field("int32")} if isinstance(self.teacher, StoredLogits) else self.fields

    @property
    def needs_labels(self) -> bool:
        """Whether labels are needed: not by a loss of the teacher's logits, unless these come of a classifier that
        learns from labels itself."""
        return self.teacher_head is not None

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        if isinstance(self.teacher, StoredLogits):
            self.teacher.check(fields["index"])

    def teacher_logits(self, view: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The teacher's logits `[n, classes]` of a view in [0, 1], with the gradient of its own classifier only."""
        if isinstance(self.teacher, StoredLogits):
            return self.teacher.take(batch["index"])
        outputs = keras.ops.cast(self.teacher(view), "float32")
        return outputs if self.teacher_head is None else self.teacher_head(outputs)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        view, inputs = self.view_pairs(batch, step)[0]
        features = self.encoder(inputs, training=step.training)
        return {
            "features": keras.ops.stop_gradient(features),
            "teacher": self.teacher_logits(view, batch),
            "y": batch["y"],
            **self.heads(features),
        }

    def heads(self, features: Tensor) -> dict[str, Tensor]:
        """The student's logits by name, "logits" among them; a subclass with more heads adds theirs."""
        return {"logits": self.classify(features)}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        labels, teacher = embeddings["y"], embeddings["teacher"]
        terms = dict(self.distillation({**embeddings, "teacher": keras.ops.stop_gradient(teacher)}, step))
        if self.teacher_head is not None:
            losses, labeled = label_losses(teacher, labels)
            terms["teacher_supervised"] = Term(losses, labeled)
        terms["accuracy"] = accuracy_term(self.answer(embeddings), labels)
        terms["teacher_accuracy"] = accuracy_term(teacher, labels)
        return terms

    def answer(self, embeddings: Mapping[str, Tensor]) -> Tensor:
        """What `accuracy` is of: the logits that `predict` gives."""
        return embeddings["logits"]

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        """The terms of the student's loss; `embeddings["teacher"]` has no gradient."""
        raise NotImplementedError
