"""DenseCL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.feature_map import feature_map
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="dense", paper="https://arxiv.org/abs/2011.09157")
class DenseCL(TeacherStudent):
    r"""DenseCL: MoCo of whole images, and beside it MoCo of the places of the last feature map.

    `(1 - dense_weight) * InfoNCE(q, k, queue) + dense_weight * InfoNCE(q_s, k_c(s), dense queue)`. `q` is the
    projection of the pooled features of the first view, `k` the momentum teacher's of the second. `q_s` is the
    projection of the place s of the first view's map by a head of its own; its positive is the teacher's projection of
    the place of the second view that matches it best, `c(s) = argmax_t cos(f_s, g_t)`, by the features f and g of
    student and teacher before the head. The negatives of places are, for past images, the mean over places of the
    teacher's projections, normalized. The dense loss is the mean over places and samples.

    Logged: `loss`, `whole`, `dense` (both InfoNCE; chance value `log(queue_size + 1)`), `momentum`, `embedding_std`.

    Args:
        encoder: a functional `keras.Model` that ends in global average pooling, such as `ConvNet` or `ResNet`, or a
            `TokenEncoder` such as `ViT`.
        projector: widths of the head of pooled features. Defaults to `(2048, 128)`.
        dense_projector: widths of the head of places. Defaults to `(2048, 128)`.
        dense_weight: in [0, 1]. Defaults to 0.5, the paper's.
        batch_norm: batch norm in both heads, after every Dense, as for `MoCo`. Defaults to False, as in the paper;
            short runs need it.
        queue_size: number of keys kept, of images and of places each. Defaults to 65536.
        temperature: T > 0. Defaults to 0.2.
        momentum: of the teacher. Defaults to 0.999; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        **kwargs: `views` (default: `keras_ssl.views.moco()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    The paper pools a map to 7 x 7 places where it is larger; here all places count.

    Raises:
        ValueError: if the encoder has no feature map, or a value is out of range.

    Example:

    ```python
    model = keras_ssl.DenseCL(
        keras_ssl.encoders.ConvNet(), projector=(128, 64), dense_projector=(128, 64), queue_size=4096, momentum=0.98
    )
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wang et al., "Dense Contrastive Learning for Self-Supervised Visual Pre-Training", CVPR 2021.
    """

    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (24, 12),
        "dense_projector": (24, 8),
        "queue_size": 32,
        "momentum": 0.9,
    }
    stored_as: ClassVar[dict[str, str]] = {
        "dense_projector": "dense_projector.widths",
        "queue_size": "dense_queue.size",
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        dense_projector: Sequence[int] = (2048, 128),
        dense_weight: float = 0.5,
        batch_norm: bool = False,
        queue_size: int = 65536,
        temperature: float = 0.2,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        # Made before the heads: an encoder without a map is refused first.
        self._map = feature_map(self.encoder, type(self).__name__)
        self.dense_weight = check_number("dense_weight", dense_weight, 0.0, 1.0)
        self.temperature = check_number("temperature", temperature, 0.0, above=True)
        self.batch_norm = bool(batch_norm)
        norm: dict[str, Any] = {
            "batch_norm": self.batch_norm,
            "output_bias": not self.batch_norm,
            "output_norm": "plain" if self.batch_norm else None,
        }
        self.add_projector(projector, **norm)
        places = self._map(keras.KerasTensor((None, *self._example_shape())))[0]
        self.dense_projector = self.head("dense_projector", dense_projector, places.shape[-1], **norm)
        self.add_teacher(momentum, final_momentum)
        self._teacher_map = feature_map(self.teacher.modules[0], type(self).__name__)
        self.add_queue(queue_size)
        width = self.dense_projector.widths[-1]
        self.dense_queue = FeatureQueue(queue_size, width, (self.seed + 1) % 2**32, name="dense_queue")

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"batch_norm": True}

    def _example_shape(self) -> tuple[int, ...]:
        """A shape of images that the encoder takes."""
        height, width, channels = self.encoder.input_shape[1:]
        return height or 64, width or 64, channels

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.moco()

    @property
    def image_queue(self) -> FeatureQueue:
        """The queue of keys of whole images."""
        if self.queue is None:
            raise AttributeError("The queue is made in `__init__`.")
        return self.queue

    @property
    def compares_samples(self) -> bool:
        return False  # keys come from the queue

    @property
    def student(self) -> list[keras.layers.Layer]:
        return [*super().student, self.dense_projector]

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, training = keras.ops, step.training
        first, second = self.used_views(batch, step)
        places, features = self._map(first, training=training)
        keys, key_features = self._teacher_map(second, training=training)
        _, project, dense_project = self.teacher.modules
        query, key = self.projector(features, training=training), project(key_features, training=training)
        dense_query = _each(self.dense_projector, places, training)
        dense_key = _each(dense_project, keys, training)
        match = ops.argmax(ops.matmul(l2_normalize(places), ops.transpose(l2_normalize(keys), (0, 2, 1))), axis=2)
        positive = ops.take_along_axis(dense_key, match[:, :, None], axis=1)
        return {
            "q1": query,
            "dense_query": dense_query,
            "k2": ops.stop_gradient(l2_normalize(key)),
            "dense_key": ops.stop_gradient(l2_normalize(positive)),
            "dense_mean": ops.stop_gradient(l2_normalize(ops.mean(dense_key, axis=1))),
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        whole = info_nce_loss(
            embeddings["q1"], embeddings["k2"], self.temperature, self.image_queue.contents, unit_negatives=True
        )
        query, key = (ops.reshape(z, (-1, z.shape[-1])) for z in (embeddings["dense_query"], embeddings["dense_key"]))
        dense = info_nce_loss(query, key, self.temperature, self.dense_queue.contents, unit_negatives=True)
        loss = (1.0 - self.dense_weight) * whole + self.dense_weight * dense
        return loss, {"whole": whole, "dense": dense}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        self.image_queue.enqueue(embeddings["k2"], updated)
        self.dense_queue.enqueue(embeddings["dense_mean"], updated)
        return super().after_step(embeddings, updated, step)


def _each(head: keras.layers.Layer, places: Tensor, training: bool) -> Tensor:
    """A head on every place `[N, S, D]`."""
    flat = head(keras.ops.reshape(places, (-1, places.shape[-1])), training=training)
    return keras.ops.reshape(flat, (-1, places.shape[1], flat.shape[-1]))
