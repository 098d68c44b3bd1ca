"""SwAV."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.layers.state_layer import Plan, late
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy
from keras_ssl.losses.numeric import check_integer, check_positive, l2_normalize
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.losses.swav_loss import swav_loss
from keras_ssl.objectives.joint_embedding import JointEmbedding, check_crops
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="clustering", paper="https://arxiv.org/abs/2006.09882")
class SwAV(JointEmbedding):
    r"""SwAV: predict, from each crop of an image, to which prototypes another crop of it is assigned.

    Scores are the cosines of a crop's projection with K learned prototypes. The codes of a global crop are its
    scores over the whole global batch made even among the prototypes (Sinkhorn-Knopp, see `losses.sinkhorn`), without
    gradient. The loss is the mean, over each global crop's codes q and each *other* crop v, of
    `-sum_k q_k log softmax(scores_v / T)_k`, as in the authors' code. Local crops only predict. Two views without
    local crops will do.

    All crops of one size pass the encoder in one batch, and all crops the projector, as in the authors' code. Where
    the authors rescale the prototypes before each step, here the layer normalizes them. Batches with fewer samples than
    prototypes need a queue: a queue for each global crop keeps past projections, which take part in the evening-out
    only. It is filled from update `queue_start` on and used once it is full, as in the authors' code.

    Logged: `loss` (chance value `log K`), `perplexity` (the number of prototypes that the first crops' predictions use
    on average: from 1 to K), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images of each crop's size to features `[N, F]`.
        projector: widths of the projector; batch norm after each hidden Dense. Defaults to `(2048, 128)`.
        prototypes: K. Defaults to 3000; small data want fewer, but a few times the projector's width D: with K near D
            embeddings find directions in which all scores are alike.
        global_crops: number of first views that get codes. Defaults to 2.
        temperature: T > 0. Defaults to `0.1`.
        epsilon: smoothness of the codes. Defaults to `0.05`, as in the authors' recipes.
        iterations: of Sinkhorn-Knopp. Defaults to 3.
        queue_size: number of past projections kept for each global crop, a multiple of the global batch. Defaults to 0,
            no queue; the authors take 3840 for batches of 256.
        queue_start: update from which on the queue is filled. Defaults to 0; the authors wait 15 epochs.
        freeze_steps: number of first updates in which the prototypes stand still. Defaults to 313, as in the authors'
            code (an epoch of ImageNet at batch 4096).
        output_norm: batch norm at the projector's end, as for `MLPHead`. Defaults to None, as in the paper; "plain"
            in short runs: while all embeddings of an untrained network point one way, so do soon all prototypes.
        **kwargs: `views` (default: `keras_ssl.views.swav()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a value is out of range, or (from `fit`) the queue does not hold whole global batches.

    Example:

    ```python
    views = keras_ssl.views.swav(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.SwAV(keras_ssl.encoders.ConvNet(), projector=(128, 64), prototypes=64, views=views)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", NeurIPS 2020.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    stored_as: ClassVar[dict[str, str]] = {
        "prototypes": "prototypes.count",
        "freeze_steps": "prototypes.freeze_steps",
        "output_norm": "projector.output_norm",
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        prototypes: int = 3000,
        global_crops: int = 2,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        queue_size: int = 0,
        queue_start: int = 0,
        freeze_steps: int = 313,
        output_norm: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        for name, value, lowest in (
            ("global_crops", global_crops, 1),
            ("iterations", iterations, 1),
            ("queue_size", queue_size, 0),
            ("queue_start", queue_start, 0),
        ):
            check_integer(name, value, lowest)
        self.add_projector(projector, hidden_bias=True, output_bias=output_norm is None, output_norm=output_norm)
        self.prototypes = Prototypes(prototypes, self.embedding_dim, freeze_steps, name="prototypes")
        self.global_crops = global_crops
        self.temperature = check_positive("temperature", temperature)
        self.epsilon = check_positive("epsilon", epsilon)
        self.iterations = iterations
        self.queue_size, self.queue_start = queue_size, queue_start
        self.queues = [
            FeatureQueue(queue_size, self.embedding_dim, empty=True, name=f"queue{number}")
            for number in range(1, global_crops + 1)
            if queue_size
        ]

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"freeze_steps": 0, "output_norm": "plain", "temperature": 0.2}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.swav()

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        if self.queue_size % batch_size:  # also where the queue is smaller than a batch
            raise ValueError(
                "`queue_size` must be a multiple of the global batch. "
                f"Received: queue_size={self.queue_size}, batch_size={batch_size}"
            )

    def advice(self, plan: Plan) -> list[str]:
        return super().advice(plan) + late("queue_start", self.queue_start, plan, "the queue is never used")

    def used_views(self, batch: dict[str, Tensor], step: Step) -> list[Tensor]:
        views = super().used_views(batch, step)
        check_crops(views, self.global_crops)
        return views

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        updates = step.updates if self.prototypes.freeze_steps else None
        crops = [embeddings[f"z{number}"] for number in range(1, len(embeddings) + 1)]
        scores = [self.prototypes(crop, updates=updates) for crop in crops]
        codes = [self._codes(number, scores[number]) for number in range(self.global_crops)]
        loss = swav_loss(scores, temperature=self.temperature, codes=codes)
        return loss, {"perplexity": self._perplexity(scores[0])}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Cross-entropy of codes over K prototypes, at temperature T.

        - at chance `log K + log E exp(cos / T)`, with prototypes that point in all directions, as at the start: codes
          and predictions have nothing in common;
        - collapsed the same: one embedding for all has even codes, `1 / K` each, and as many near prototypes as a
          random one; training may then move the prototypes until it is `log K`;
        - never below `log(1 + (K - 1) exp(-2 / T))`: the least that any one prototype costs.
        """
        count = self.prototypes.count
        even = math.log(count) + log_mean_exp(self.embedding_dim, 1.0 / self.temperature)
        return ExpectedLoss(even, even, lowest_cross_entropy(count - 1, self.temperature))

    def _codes(self, number: int, scores: Tensor) -> Tensor:
        """The codes of a global crop, made even together with its queue where that is full."""
        if not self.queues:
            return sinkhorn(scores, self.epsilon, self.iterations)
        queue, ops = self.queues[number], keras.ops
        everything = ops.concatenate([scores, self.prototypes(queue.contents)], axis=0)
        count = ops.shape(scores)[0]
        rows = ops.arange(ops.shape(everything)[0], dtype="int32")
        present = ops.logical_or(rows < count, queue.full)
        return sinkhorn(everything, self.epsilon, self.iterations, present)[:count]

    def _perplexity(self, scores: Tensor) -> Tensor:
        mean = keras.ops.mean(keras.ops.softmax(scores / self.temperature, axis=1), axis=0)
        return keras.ops.exp(-keras.ops.sum(mean * keras.ops.log(mean + 1e-12)))

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> None:
        started = keras.ops.logical_and(updated, step.updates + 1 > self.queue_start)
        for number, queue in enumerate(self.queues, start=1):
            queue.enqueue(l2_normalize(embeddings[f"z{number}"]), started)
