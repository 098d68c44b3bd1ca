"""Distillation of a trained encoder into any other."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.losses.numeric import check_positive, l2_normalize
from keras_ssl.losses.similarity_distillation_loss import similarity_distillation_loss
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.reference import Reference
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2101.04731")
class SimilarityDistillation(SSLModel):
    """Distill a trained encoder into any other, without labels: agree on the similarities to a queue of features.

    Student and frozen teacher see the same view. The student's features pass a linear map to the teacher's width. Both
    are compared with a queue of the teacher's features of earlier batches: `KL(softmax(t Q' / T) || softmax(s Q' / T))`
    with L2-normalized rows. Logged: `loss`, `divergence` (the same), `embedding_std` of the student's features.

    The loss is a mean over samples; only the teacher's features are gathered across replicas, for the queue. The
    teacher is named in the config and no part of the model's weights.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        teacher: a name of `keras_ssl.list_models()`, a folder that `keras_ssl.export` wrote, or a built `keras.Model`
            that maps images in [0, 1] to features `[N, D]`; an objective with the latter cannot be saved.
        queue_size: features of the teacher that are kept. Defaults to 8192; a quarter to half of the number of images
            suits small data. It must hold a global batch.
        temperature: T > 0. Defaults to 0.07.
        **kwargs: `views` (default: one view of `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`,
            as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    student = keras.applications.MobileNetV3Small(include_top=False, weights=None, pooling="avg")
    model = keras_ssl.SimilarityDistillation(student, teacher="dinov2_vits14")
    model.compile(keras_ssl.optimizers.LARS(0.3))
    model.fit(images, epochs=100)
    ```

    Reference:
        Fang et al., "SEED: Self-supervised Distillation for Visual Representation", ICLR 2021. There the queue and
        temperature differ for teacher and student; one temperature and the linear map are the choice of later
        libraries.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"teacher": "barlow_digits", "queue_size": 32}
    stored_as: ClassVar[dict[str, str]] = {"teacher": "teacher.argument", "queue_size": "queue.size"}

    def __init__(
        self,
        encoder: keras.Model,
        teacher: str | os.PathLike[str] | keras.Model,
        queue_size: int = 8192,
        temperature: float = 0.07,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.teacher = Reference(teacher)
        self.temperature = check_positive("temperature", temperature)
        self.queue = FeatureQueue(queue_size, self.teacher.width, self.seed, name="queue")
        self.projector = keras.layers.Dense(self.teacher.width, name="projector")
        self.projector.build((None, self.feature_dim))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView(view_ops.simclr().views[:1])

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        self.queue.check_batch_size(batch_size)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        view, inputs = self.view_pairs(batch, step)[0]
        features = self.encoder(inputs, training=step.training)
        return {
            "features": keras.ops.stop_gradient(features),
            "student": self.projector(features),
            "teacher": l2_normalize(keras.ops.cast(self.teacher(view), "float32")),
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        divergence = similarity_distillation_loss(
            embeddings["student"], embeddings["teacher"], self.queue.contents, self.temperature
        )
        return {"divergence": Term(divergence)}

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> Sequence[str]:
        return ("teacher",)

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        self.queue.enqueue(embeddings["teacher"], updated)
        return None
