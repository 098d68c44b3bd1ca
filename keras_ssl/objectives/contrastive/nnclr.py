"""NNCLR."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy, widest_gap
from keras_ssl.losses.nnclr_loss import nnclr_loss
from keras_ssl.losses.numeric import check_positive, l2_normalize
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2104.14548")
class NNCLR(JointEmbedding):
    """NNCLR: contrast not with the image's own other view but with its nearest neighbor among earlier images.

    `(L(nn(z1), p2) + L(nn(z2), p1)) / 2` with `L` InfoNCE over the predictions of the global batch, `z` from the
    projector, `p` from the predictor and `nn` the nearest row of a queue of past projections. Each neighbor is the
    query, the predictions are the candidates, as in the paper's pseudocode; the term with the logits transposed,
    which its text adds, is not taken. After each step the normalized projections of view 1 of the global
    batch join the queue. Each view passes the networks separately. Logged: `loss` (chance value `log N`),
    `embedding_std` (of the projection).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector, batch norm after every Dense. Defaults to `(2048, 2048, 256)`.
        predictor: widths of the predictor, batch norm after the hidden Dense; the last must be the projector's.
            Defaults to `(4096, 256)`.
        queue_size: number of projections kept; it must hold a global batch. Defaults to 98304.
        temperature: T > 0. Defaults to `0.1`.
        **kwargs: `views` (default: `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive, the queue is too small, or the predictor does not end in the
            projector's width.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.NNCLR(encoder, projector=(128, 64), predictor=(128, 64), queue_size=4096)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual
        Representations", ICCV 2021.
    """

    predictor: MLPHead
    queue: FeatureQueue
    stored_as: ClassVar[dict[str, str]] = {"predictor": "predictor.widths", "queue_size": "queue.size"}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        predictor: Sequence[int] = (4096, 256),
        queue_size: int = 98304,
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(projector, output_norm="affine")
        self.add_predictor(predictor, output_bias=True)
        self.add_queue(queue_size)
        self.temperature = check_positive("temperature", temperature)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.byol()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        z1, z2 = self.project(self.used_views(batch, step), step.training)
        return {
            "z1": keras.ops.stop_gradient(z1),
            "z2": keras.ops.stop_gradient(z2),
            "p1": self.predictor(z1, training=step.training),
            "p2": self.predictor(z2, training=step.training),
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        bank = self.queue.contents
        forward = nnclr_loss(embeddings["z1"], embeddings["p2"], bank, self.temperature, unit_bank=True)
        backward = nnclr_loss(embeddings["z2"], embeddings["p1"], bank, self.temperature, unit_bank=True)
        return 0.5 * (forward + backward), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """InfoNCE of a neighbor among the batch's N predictions.

        - at chance `log N + log E exp(cos / T)`;
        - collapsed `log N`;
        - never below `log(1 + (N - 1) exp(-N / ((N - 1) T)))`: pairs at the corners of a simplex.
        """
        return ExpectedLoss(
            initial=math.log(batch_size) + log_mean_exp(self.embedding_dim, 1.0 / self.temperature),
            collapsed=math.log(batch_size),
            floor=lowest_cross_entropy(batch_size - 1, self.temperature, widest_gap(batch_size)),
        )

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        self.queue.enqueue(l2_normalize(embeddings["z1"]), updated)
        return super().after_step(embeddings, updated, step)
