"""Dense distillation: the student's patches learn the teacher's."""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.feature_map import feature_grid, feature_map
from keras_ssl.losses.distillation.feature_distillation_loss import (
    DISTANCES,
    feature_distillation_loss,
    resize_grid,
)
from keras_ssl.objectives.distillation.inner_encoder import inner_encoder
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.reference import Reference
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


class MapTeacher:
    """A frozen model that gives features of places; a plain object, so that Keras does not track the model in it.

    Args:
        source: as for `Reference`: an encoder that has a feature map (see `encoders.feature_map`); or a built
            `keras.Model` that itself maps images in [0, 1] to maps `[N, H, W, D]`, such as a part of a U-Net.

    Raises:
        ValueError: if there is no such model, or it has no map.
    """

    def __init__(self, source: str | os.PathLike[str] | keras.Model) -> None:
        self._reference: Reference | None = None
        if isinstance(source, keras.Model) and source.built and len(source.output_shape) == 4:
            self._model, self.width = source, int(source.output_shape[-1])
            return
        self._reference = Reference(source)
        self._prepare, self._encoder = inner_encoder(self._reference.model)
        self._map = feature_map(self._encoder, "the teacher of PatchDistillation")
        height, width, channels = self._encoder.input_shape[1:]
        places, _ = self._map(keras.KerasTensor((None, height or 64, width or 64, channels)))
        self.width = int(places.shape[-1])

    def __call__(self, view: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Places `[N, S, D]` of images in [0, 1], without gradient, and their grid."""
        ops = keras.ops
        if self._reference is None:
            found = self._model(view, training=False)
            grid = (int(found.shape[1]), int(found.shape[2]))
            places = ops.reshape(found, (-1, grid[0] * grid[1], self.width))
        else:
            inputs = self._prepare(view)
            places, _ = self._map(inputs, training=False)
            grid = feature_grid(self._encoder, (None, *inputs.shape[1:]), "the teacher of PatchDistillation")
        return ops.stop_gradient(ops.cast(places, "float32")), grid

    @property
    def argument(self) -> str:
        """As for `Reference`."""
        if self._reference is None:
            raise ValueError(
                "An objective that refers to a model in memory cannot be saved. "
                f"Received: teacher={self._model.name!r}, which gives maps"
            )
        return self._reference.argument

    def __deepcopy__(self, memo: dict[int, Any]) -> "MapTeacher":
        return self


@register("objective", family="distillation", paper="https://arxiv.org/abs/2407.11433")
class PatchDistillation(SSLModel):
    """Dense distillation, without labels: at every place the student's features learn the teacher's.

    Student and frozen teacher see the same view. The student's last feature map, or its patch tokens, pass a linear map
    to the teacher's width (a convolution of size 1), and are interpolated to the teacher's grid. The loss is
    `losses.feature_distillation_loss`, the mean over places; with `pooled_weight` also that of the whole image's
    features. Logged: `loss`, `places`, `pooled`, `embedding_std` of the student's features.

    Args:
        encoder: the student: a functional `keras.Model` that ends in global average pooling, such as `ConvNet` or
            `ResNet`, or a `TokenEncoder` such as `ViT`.
        teacher: a name of `keras_ssl.list_models()`, a folder that `keras_ssl.export` wrote, or a built `keras.Model`
            of such a kind for images in [0, 1]; or one that gives maps `[N, H, W, D]` itself, such as a part of the
            U-Net of a diffusion model.
        distance: "cosine" (default) or "squared".
        pooled_weight: of the distance of the means over places, not negative. Defaults to 0.
        **kwargs: `views` (default: one view of `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`,
            as for `SSLModel`.

    Raises:
        ValueError: if student or teacher has no feature map, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.PatchDistillation(keras_ssl.encoders.ConvNet(), teacher="dinov2_vits14")
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wang et al., "CycleHOI: Improving Human-Object Interaction Detection with Cycle Consistency of Detection and
        Generation", 2024, for its feature distillation; its cycle with a generator is left out. Distance and
        interpolation are our choice.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"teacher": "barlow_digits", "pooled_weight": 0.5}
    stored_as: ClassVar[dict[str, str]] = {"teacher": "teacher.argument"}

    def __init__(
        self,
        encoder: keras.Model,
        teacher: str | os.PathLike[str] | keras.Model,
        distance: str = "cosine",
        pooled_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self._map = feature_map(self.encoder, type(self).__name__)
        self.teacher = MapTeacher(teacher)
        if distance not in DISTANCES:
            raise ValueError(f"`distance` must be one of {', '.join(DISTANCES)}. Received: distance={distance!r}")
        self.distance = distance
        self.pooled_weight = check_number("pooled_weight", pooled_weight, 0.0)
        height, width, channels = self.encoder.input_shape[1:]
        places, _ = self._map(keras.KerasTensor((None, height or 64, width or 64, channels)))
        self.projector = keras.layers.Dense(self.teacher.width, name="projector")
        self.projector.build((None, None, places.shape[-1]))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView(view_ops.simclr().views[:1])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        view, inputs = self.view_pairs(batch, step)[0]
        teacher, new_grid = self.teacher(view)
        places, features = self._map(inputs, training=step.training)
        grid = feature_grid(self.encoder, (None, *inputs.shape[1:]), type(self).__name__)
        student = resize_grid(keras.ops.cast(self.projector(places), "float32"), grid, new_grid)
        return {"features": keras.ops.stop_gradient(features), "student": student, "teacher": teacher}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, student, teacher = keras.ops, embeddings["student"], embeddings["teacher"]
        pooled = feature_distillation_loss(ops.mean(student, axis=1), ops.mean(teacher, axis=1), self.distance)
        return {
            "places": Term(feature_distillation_loss(student, teacher, self.distance)),
            "pooled": Term(pooled, None, self.pooled_weight),
        }
