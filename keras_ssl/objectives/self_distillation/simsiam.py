"""SimSiam."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.losses.simsiam_loss import simsiam_loss
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2011.10566")
class SimSiam(JointEmbedding):
    """SimSiam: predict one view's projection from the other's, with neither negatives nor a teacher.

    `-cos(p1, sg(z2)) / 2 - cos(p2, sg(z1)) / 2`, averaged over the batch, with `z` from the projector, `p` from the
    predictor and `sg` the stop-gradient that keeps the embeddings from collapsing. The loss starts near 0 and
    approaches -1; -1 within a few steps means collapse. Each view passes the networks separately. Logged: `loss`,
    `embedding_std` (of the projection; about 1 when healthy, 0 when collapsed).

    The authors also keep the predictor's learning rate constant while that of the rest decays. This is not offered
    here: all weights share the optimizer's schedule.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector, batch norm after every Dense, the last one without scale and shift.
            Defaults to `(2048, 2048, 2048)`; for CIFAR-10 the authors take two layers.
        predictor: widths of the predictor, narrow in the middle; the last must be the projector's. Defaults to
            `(512, 2048)`. Batch norm after the hidden Dense only.
        **kwargs: `views` (default: `keras_ssl.views.moco(version=2)`, which are SimSiam's), `preprocessing`, `seed`,
            `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the predictor does not end in the projector's width.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.SimSiam(encoder, projector=(256, 256), predictor=(64, 256))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9))
    model.fit(images, epochs=10, batch_size=64)
    ```

    Reference:
        Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021.
    """

    predictor: MLPHead
    stored_as: ClassVar[dict[str, str]] = {"predictor": "predictor.widths"}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 2048),
        predictor: Sequence[int] = (512, 2048),
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(projector, output_norm="plain")
        self.add_predictor(predictor, output_bias=True)

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        narrow = max(scale.width(2048) // 4, 16)
        return {"predictor": (narrow, scale.widths((2048,))[-1])}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.moco(version=2)

    @property
    def compares_samples(self) -> bool:
        return False

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        z1, z2 = self.project(self.used_views(batch, step), step.training)
        return {
            "z1": keras.ops.stop_gradient(z1),
            "z2": keras.ops.stop_gradient(z2),
            "p1": self.predictor(z1, training=step.training),
            "p2": self.predictor(z2, training=step.training),
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        forward = simsiam_loss(embeddings["p1"], embeddings["z2"])
        backward = simsiam_loss(embeddings["p2"], embeddings["z1"])
        return 0.5 * (forward + backward), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Minus a cosine: at chance 0; collapsed -1; never below -1.

        The best value is that of collapse: this loss alone cannot tell one from the other.
        """
        return ExpectedLoss(initial=0.0, collapsed=-1.0, floor=-1.0)
