"""DCD: contrastive distillation that turns to the samples on which student and teacher disagree."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.losses.distillation.cross_similarity_loss import cross_similarity_loss, disagreement_weights
from keras_ssl.losses.numeric import check_integer
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.reference import Reference
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2207.01426")
class DynamicContrastiveDistillation(SSLModel):
    """Dynamic contrastive distillation, without labels: similarities among the batch, most where they differ most.

    Student and frozen teacher see two views of every image. `sum_i w_i d_i`, where
    `d_i = KL(softmax_j(cos(t_i, t'_j) / T) || softmax_j(cos(s_i, s'_j) / T))` is `losses.cross_similarity_loss` from
    the first views to the second and back, the mean of both, and `w = softmax(b u d / mean(d))` without gradient, with
    u the share of the training that is done: all samples count alike at first, the hard ones more and more. Logged:
    `loss`, `divergence` (the plain mean of d), `hardest` (the largest weight times the batch size), `embedding_std`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        teacher: a name of `keras_ssl.list_models()`, a folder that `keras_ssl.export` wrote, or a built `keras.Model`
            that maps images in [0, 1] to features `[N, D]`.
        strength: b, not negative; 0 is contrastive distillation with equal weights. Defaults to 1.
        dimension: width of the student's linear map behind the encoder. Defaults to 128.
        temperature: T > 0. Defaults to 0.1.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.DynamicContrastiveDistillation(keras_ssl.encoders.ConvNet(), teacher="dinov2_vits14")
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Rao et al., "Dynamic Contrastive Distillation for Image-Text Retrieval", 2022. There between images and texts,
        whose place a second view takes here. The measure of difficulty is not known to us: the divergence itself, and
        its growing strength, are our choice.
    """

    monitor: ClassVar[str | None] = "student1"
    tiny: ClassVar[dict[str, Any] | None] = {"teacher": "barlow_digits", "dimension": 8, "temperature": 0.5}
    stored_as: ClassVar[dict[str, str]] = {"teacher": "teacher.argument"}

    def __init__(
        self,
        encoder: keras.Model,
        teacher: str | os.PathLike[str] | keras.Model,
        strength: float = 1.0,
        dimension: int = 128,
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.teacher = Reference(teacher)
        self.strength = check_number("strength", strength, 0.0)
        self.dimension = check_integer("dimension", dimension, 1)
        self.temperature = check_number("temperature", temperature, 0.0, above=True)
        self.projector = keras.layers.Dense(self.dimension, name="projector")
        self.projector.build((None, self.feature_dim))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        found = {}
        for number, (view, inputs) in enumerate(self.view_pairs(batch, step)[:2], start=1):
            found[f"student{number}"] = self.projector(self.encoder(inputs, training=step.training))
            found[f"teacher{number}"] = keras.ops.cast(self.teacher(view), "float32")
        return found

    def gathered_names(self, embeddings: Any) -> Sequence[str]:
        return ("student1", "student2", "teacher1", "teacher2")

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        s1, s2, t1, t2 = (embeddings[name] for name in ("student1", "student2", "teacher1", "teacher2"))
        there = cross_similarity_loss(s1, s2, t1, t2, self.temperature)
        back = cross_similarity_loss(s2, s1, t2, t1, self.temperature)
        divergence = 0.5 * (there + back)
        weights = disagreement_weights(divergence, self.strength * step.progress)
        hardest = ops.max(weights) * ops.cast(ops.shape(weights)[0], weights.dtype)
        return ops.sum(weights * divergence), {"divergence": ops.mean(divergence), "hardest": hardest}
