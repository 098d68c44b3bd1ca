"""CRD: contrastive distillation of representations."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.losses.distillation.contrastive_distillation_loss import contrastive_distillation_loss
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.objectives.distillation.crop_model import CropModel
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import accuracy_term, label_losses
from keras_ssl.training.reference import Reference
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/1910.10699")
class ContrastiveRepresentationDistillation(CropModel):
    """CRD: the student's representation of an image tells which of the teacher's is of the same image.

    `CE(y, s) + b (L(z_s, z_t) + L(z_t, z_s))`: the first mean is over labeled samples, the others over all, where L is
    `losses.contrastive_distillation_loss`, and `z` are linear maps of the features of student and frozen teacher to one
    width, both of which are trained. The first L takes negatives of the teacher, the second of the student: the other
    samples of the global batch, or a queue of both embeddings of earlier batches. Labels may be missing: without any,
    the encoder learns from the teacher alone. Logged: `loss`, `supervised`, `contrast` (the sum of both L), `accuracy`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: a name of `keras_ssl.list_models()`, a folder that `keras_ssl.export` wrote, or a built `keras.Model`
            that maps images in [0, 1] to `[N, D]`: features or logits.
        contrast_weight: b, not negative; 0 is the cross-entropy. Defaults to 0.8, the paper's.
        dimension: width of the embeddings. Defaults to 128, the paper's.
        temperature: T > 0. Defaults to 0.07, the paper's.
        queue_size: number of negatives in the queue, at least the global batch; 0 (default) takes the others of the
            batch.
        normalizer: of the critic, > 0, as for the loss. Defaults to None: the mean over the batch.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.ContrastiveRepresentationDistillation(
        keras_ssl.encoders.ConvNet(), classes=10, teacher="dinov2_vits14"
    )
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Tian et al., "Contrastive Representation Distillation", ICLR 2020. There 16384 negatives for each sample come
        from a memory of all samples, by default of other classes; here from a queue or the batch, of any class.
    """

    scope: ClassVar[str] = "both"
    without_labels: ClassVar[str | None] = "SimilarityDistillation"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits", "dimension": 8}
    stored_as: ClassVar[dict[str, str]] = {"teacher": "teacher.argument"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        contrast_weight: float = 0.8,
        dimension: int = 128,
        temperature: float = 0.07,
        queue_size: int = 0,
        normalizer: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        self.teacher = Reference(teacher)
        self.contrast_weight = check_number("contrast_weight", contrast_weight, 0.0)
        self.dimension = check_integer("dimension", dimension, 1)
        self.temperature = check_number("temperature", temperature, 0.0, above=True)
        self.normalizer = None if normalizer is None else check_number("normalizer", normalizer, 0.0, above=True)
        self.student_map = keras.layers.Dense(self.dimension, name="student_map")
        self.student_map.build((None, self.feature_dim))
        self.teacher_map = keras.layers.Dense(self.dimension, name="teacher_map")
        self.teacher_map.build((None, self.teacher.width))
        self.queues: list[FeatureQueue] = []
        if check_integer("queue_size", queue_size, 0):
            seeds = (self.seed, (self.seed + 1) % 2**32)
            names = ("student_queue", "teacher_queue")
            self.queues = [
                FeatureQueue(queue_size, self.dimension, seed, name=name)
                for seed, name in zip(seeds, names, strict=True)
            ]

    @property
    def queue_size(self) -> int:
        return self.queues[0].size if self.queues else 0

    @property
    def needs_labels(self) -> bool:
        """Whether labels are needed: where nothing else is learned from."""
        return self.contrast_weight == 0.0

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        for queue in self.queues:
            queue.check_batch_size(batch_size)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        view, inputs = self.view_pairs(batch, step)[0]
        features = self.encoder(inputs, training=step.training)
        return {
            "features": keras.ops.stop_gradient(features),
            "student": self.student_map(features),
            "teacher": self.teacher_map(keras.ops.cast(self.teacher(view), "float32")),
            "logits": self.classify(features),
            "y": batch["y"],
        }

    def gathered_names(self, embeddings: Any) -> Sequence[str]:
        return ("student", "teacher")

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        student, teacher = embeddings["student"], embeddings["teacher"]
        of_student, of_teacher = (queue.contents for queue in self.queues) if self.queues else (None, None)
        contrast = keras.ops.mean(
            contrastive_distillation_loss(student, teacher, of_teacher, self.temperature, self.normalizer)
            + contrastive_distillation_loss(teacher, student, of_student, self.temperature, self.normalizer)
        )
        return self.contrast_weight * contrast, {"contrast": contrast}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        supervised, labeled = label_losses(embeddings["logits"], embeddings["y"])
        return {
            "supervised": Term(supervised, labeled),
            "accuracy": accuracy_term(embeddings["logits"], embeddings["y"]),
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        for queue, name in zip(self.queues, ("student", "teacher"), strict=False):
            queue.enqueue(l2_normalize(embeddings[name]), updated)
        return None
