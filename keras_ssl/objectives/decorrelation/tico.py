"""TiCo."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.running_covariance import RunningCovariance
from keras_ssl.losses.numeric import check_positive
from keras_ssl.losses.tico_loss import second_moment, tico_terms
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2206.10698")
class TiCo(TeacherStudent):
    r"""TiCo: agree with a teacher's embedding of the other view, and avoid the directions of earlier embeddings.

    `mean(1 - z1.t2) + contrast_weight * mean(z1^T C z1)` with rows L2-normalized, `z1` the student's embedding of
    view 1 and `t2` the momentum teacher's of view 2. `C = decay * C + (1 - decay) * z1^T z1 / N` is the running
    second moment (not centered), which includes the global batch at hand, with gradient: a bank of all past embeddings
    in one matrix. It starts at zero. Logged: `loss`, `invariance`, `contrast` (unweighted; `1 / D` when the embeddings
    fill all directions evenly, 1 when collapsed), `momentum`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        projector: widths of the projector. Defaults to `(4096, 256)`.
        contrast_weight: rho, positive. Defaults to 8. On small data less of it learns better: embeddings spread before
            they agree.
        decay: of the running second moment, in [0, 1). Defaults to `0.9`.
        momentum: of the teacher, at the start. Defaults to `0.99`; short runs want less (0.5 to 0.9).
        final_momentum: at the planned end, along a cosine. Defaults to 1.
        **kwargs: `views` (default: `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if `contrast_weight` is not positive, or `decay` or a momentum out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.TiCo(encoder, projector=(128, 64), contrast_weight=4.0, momentum=0.5, final_momentum=0.9)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Zhu et al., "TiCo: Transformation Invariance and Covariance Contrast for Self-Supervised Visual Representation
        Learning", 2022.
    """

    stored_as: ClassVar[dict[str, str]] = {"decay": "covariance.decay"}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (4096, 256),
        contrast_weight: float = 8.0,
        decay: float = 0.9,
        momentum: float = 0.99,
        final_momentum: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(projector)
        self.add_teacher(momentum, final_momentum)
        self.contrast_weight = check_positive("contrast_weight", contrast_weight)
        self.covariance = RunningCovariance(self.embedding_dim, decay, name="covariance")

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.byol()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        first, second = self.used_views(batch, step)
        return {"z1": self.project([first], step.training)[0], "t2": self.teach([second], step.training)[0]}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        covariance = self.covariance.blend(second_moment(embeddings["z1"]))
        invariance, contrast = tico_terms(embeddings["z1"], embeddings["t2"], covariance)
        return invariance + self.contrast_weight * contrast, {"invariance": invariance, "contrast": contrast}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """With r the `contrast_weight`, d the `decay`, and a second moment that has seen many such batches.

        - at chance `1 + r (d / D + (1 - d) (1/N + (1 - 1/N) / D))`: of a batch's squared cosines, those of a row with
          itself are 1, the others `1 / D` on average; in the first steps, with a moment that starts at zero, it is
          less;
        - collapsed r: views agree, and every squared cosine is 1;
        - never below `r (1 - d) / min(N, D)`: the batch's own part, where it fills all directions evenly.
        """
        width, decay = self.embedding_dim, self.covariance.decay
        own = 1.0 / batch_size + (1.0 - 1.0 / batch_size) / width
        return ExpectedLoss(
            initial=1.0 + self.contrast_weight * (decay / width + (1.0 - decay) * own),
            collapsed=self.contrast_weight,
            floor=self.contrast_weight * (1.0 - decay) / min(batch_size, width),
        )

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        self.covariance.update(second_moment(embeddings["z1"]), updated)
        return super().after_step(embeddings, updated, step)
