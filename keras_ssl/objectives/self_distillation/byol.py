"""BYOL."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2006.07733")
class BYOL(TeacherStudent):
    """BYOL: predict, from one view, what a slowly moving teacher makes of the other view. No negatives.

    `mean(2 - 2 cos(p1, t2)) + mean(2 - 2 cos(p2, t1))`, in [0, 8], with `p` from the student's predictor and `t` from
    the teacher, an exponential moving average of encoder and projector. Its momentum rises from `momentum` to
    `final_momentum` along a cosine over the updates that `fit` plans. Each view passes each network separately.
    Logged: `loss`, `momentum`, `embedding_std` (of the student's projection).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        projector: widths of the projector. Defaults to `(4096, 256)`.
        predictor: widths of the predictor; the last must be the projector's. Defaults to `(4096, 256)`.
        momentum: of the teacher, at the start. Defaults to `0.996`; short runs want less (0.9 to 0.99).
        final_momentum: at the planned end. Defaults to 1.
        output_norm: batch norm, without scale and shift, after the projector's last Dense. Defaults to False, the
            paper's.
        **kwargs: `views` (default: `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a momentum lies outside [0, 1] or the predictor's width is not the projector's.

    Example:

    ```python
    model = keras_ssl.BYOL(keras_ssl.encoders.ConvNet(), projector=(256, 64), predictor=(256, 64), momentum=0.97)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning", NeurIPS 2020.
    """

    predictor: MLPHead
    stored_as: ClassVar[dict[str, str]] = {"predictor": "predictor.widths"}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (4096, 256),
        predictor: Sequence[int] = (4096, 256),
        momentum: float = 0.996,
        final_momentum: float = 1.0,
        output_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        # The authors' hidden layers have a bias although batch norm follows them.
        self.add_projector(projector, hidden_bias=True, output_norm="plain" if output_norm else None)
        self.add_predictor(predictor, hidden_bias=True)
        self.add_teacher(momentum, final_momentum)
        self.output_norm = output_norm

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.byol()

    @property
    def compares_samples(self) -> bool:
        return False

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.used_views(batch, step)
        z1, z2 = self.project(views, step.training)
        t1, t2 = self.teach(views, step.training)
        return {
            "z1": keras.ops.stop_gradient(z1),
            "z2": keras.ops.stop_gradient(z2),
            "p1": self.predictor(z1, training=step.training),
            "p2": self.predictor(z2, training=step.training),
            "t1": t1,
            "t2": t2,
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        loss = byol_loss(embeddings["p1"], embeddings["t2"]) + byol_loss(embeddings["p2"], embeddings["t1"])
        return loss, {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """At chance 4, `2 - 2 cos` in both directions at the cosine 0; collapsed 0; never below 0.

        The best value is that of collapse: this loss alone cannot tell one from the other.
        """
        return ExpectedLoss(initial=4.0, collapsed=0.0, floor=0.0)
