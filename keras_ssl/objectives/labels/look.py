"""LOOK."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.losses.metric.checks import check_finite_positive
from keras_ssl.losses.metric.leave_one_out_knn_loss import leave_one_out_knn_loss
from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2110.06014")
class LOOK(TeacherStudent):
    r"""LOOK: a sample shares its label with most of its nearest neighbors, so a class may have several clusters.

    The student's projection of view 1 is classified by its k nearest neighbors among the teacher's projections of
    view 2: those of the global batch and those of a queue of past batches, with their labels. The loss is minus the
    logarithm of the share of `exp(cosine / T)` that neighbors of the own class have: see
    `keras_ssl.losses.leave_one_out_knn_loss`. A sample is never its own neighbor, neither in the batch nor, known by
    its number `index`, in the queue. Samples with the label -1 are no anchors and no neighbors. Logged: `loss`,
    `momentum`, `embedding_std`.

    The paper defines the loss and the momentum queue; k, T and the sizes here are our defaults.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        neighbors: k, at most a batch with the queue. Defaults to 256.
        queue_size: number of entries kept; it must hold a global batch. Defaults to 65536.
        temperature: T > 0. Defaults to 0.07.
        momentum: of the teacher, at the start. Defaults to 0.999; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        batch_norm: batch norm in the projector, after every Dense, the last one without scale and shift. Defaults to
            True.
        **kwargs: `views` (default: `keras_ssl.views.moco(version=2)`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if a value is out of range, or the encoder cannot be copied.

    Example:

    ```python
    model = keras_ssl.LOOK(
        keras_ssl.encoders.ConvNet(), projector=(128, 64), neighbors=64, queue_size=2048, momentum=0.98
    )
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Feng et al., "Rethinking Supervised Pre-training for Better Downstream Transferring", ICLR 2022.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32"), "index": Field("int32", missing=-1)}
    without_labels: ClassVar[str | None] = "MoCo"
    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (24, 12),
        "neighbors": 8,
        "queue_size": 32,
        "momentum": 0.9,
        "temperature": 0.3,
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        neighbors: int = 256,
        queue_size: int = 65536,
        temperature: float = 0.07,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(
            projector, batch_norm=batch_norm, output_bias=not batch_norm, output_norm="plain" if batch_norm else None
        )
        self.add_teacher(momentum, final_momentum)
        self.queue_size = check_integer("queue_size", queue_size, 1)
        self.neighbors = check_integer("neighbors", neighbors, 1, self.queue_size)
        self.temperature = check_finite_positive("temperature", temperature)
        self.batch_norm = batch_norm
        # Each row: an embedding, its label + 1 and its number + 1, so that an empty row has neither.
        self.queue = FeatureQueue(self.queue_size, self.embedding_dim + 2, self.seed, empty=True, name="queue")

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.moco(version=2)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.used_views(batch, step)
        (query,), (key,) = self.project(views[:1], step.training), self.teach(views[1:], step.training)
        return {"q1": query, "k2": l2_normalize(key), **self.passed_on(batch)}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        queue: Any = self.queue
        width = self.embedding_dim
        rows = ops.concatenate([self._tagged(embeddings), queue.contents], axis=0)
        labels, numbers = (ops.cast(rows[:, width + place], "int32") - 1 for place in (0, 1))
        count = ops.shape(embeddings["q1"])[0]
        own = ops.equal(
            ops.arange(count, dtype="int32")[:, None], ops.arange(ops.shape(rows)[0], dtype="int32")[None, :]
        )
        known = numbers[:count] >= 0
        again = ops.logical_and(ops.equal(numbers[:count, None], numbers[None, :]), known[:, None])
        loss = leave_one_out_knn_loss(
            embeddings["q1"],
            embeddings["y"],
            rows[:, :width],
            labels,
            self.neighbors,
            self.temperature,
            ops.logical_or(own, again),
        )
        return loss, {}

    def _tagged(self, embeddings: dict[str, Tensor]) -> Tensor:
        """The batch's rows of the queue."""
        ops = keras.ops
        tags = ops.stack([ops.maximum(embeddings[name], -1) + 1 for name in ("y", "index")], axis=1)
        return ops.concatenate([as_float(embeddings["k2"]), ops.cast(tags, "float32")], axis=1)

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        queue: Any = self.queue
        queue.enqueue(self._tagged(embeddings), updated)
        return super().after_step(embeddings, updated, step)
