"""LeJEPA."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.random_directions import random_directions
from keras_ssl.losses.sigreg_loss import sigreg_loss
from keras_ssl.losses.view_mean_loss import view_mean_loss
from keras_ssl.objectives.joint_embedding import JointEmbedding, check_crops
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2511.08544")
class LeJEPA(JointEmbedding):
    r"""LeJEPA: views of an image agree, and the embeddings of a batch are distributed as a standard normal.

    `(1 - weight) * invariance + weight * SIGReg`. The invariance is `mean over views, samples and dimensions of
    (z_v - c)^2` with `c` the mean of the image's global views (`view_mean_loss`). SIGReg is the mean over views of the
    Epps-Pulley statistic on random directions (`sigreg_loss`), over the global batch. There is no teacher, no stopped
    gradient and no queue; `weight` is the one argument that matters. Logged: `loss`, `invariance` and `regularizer`
    (unweighted; the latter is about 1.05 where embeddings are standard normal), `embedding_std`.

    All views that the model is given take part. Views of one size pass the networks in one batch. The directions are
    drawn anew for each step, the same on every replica.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector, with batch norm after each hidden layer; the last is D. Defaults to
            `(2048, 2048, 16)`, the authors'.
        weight: weight of the regularizer, lambda, in [0, 1]. Defaults to 0.02, that of the authors' script; the paper's
            figures use 0.05.
        global_views: number of first views whose mean is the target. Defaults to None: all. Of multi-crop views, give
            the number of global crops.
        directions: number of random directions, K. Defaults to 1024.
        knots: points of the rule of integration. Defaults to 17.
        limit: upper end of the integral. Defaults to 3.
        **kwargs: `views` (default: four of `keras_ssl.views.simclr()`; the authors' also solarize), `preprocessing`,
            `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range; from `fit`, for fewer views than `global_views`.

    Example:

    ```python
    views = keras_ssl.views.colored_digits(copies=4)
    model = keras_ssl.LeJEPA(keras_ssl.encoders.ConvNet(), projector=(256, 256, 16), views=views)
    model.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.05))
    model.fit(images, epochs=10)
    ```

    Reference:
        Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics", 2025.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12), "directions": 16, "weight": 0.2}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 16),
        weight: float = 0.02,
        global_views: int | None = None,
        directions: int = 1024,
        knots: int = 17,
        limit: float = 3.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.weight = check_number("weight", weight, 0.0, 1.0)
        self.global_views = None if global_views is None else check_integer("global_views", global_views, 1)
        self.directions = check_integer("directions", directions, 1)
        self.knots = check_integer("knots", knots, 2)
        self.limit = check_number("limit", limit, 0.0, above=True)
        self.add_projector(projector, hidden_bias=True, output_bias=True)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([*view_ops.simclr().views] * 2)

    def used_views(self, batch: dict[str, Tensor], step: Step) -> list[Tensor]:
        views = super().used_views(batch, step)
        check_crops(views, self.global_views or 1)
        return views

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        views = list(embeddings.values())
        directions = random_directions(step.shared_stream(), self.directions, self.embedding_dim)
        invariance = view_mean_loss(views, self.global_views)
        statistics = [sigreg_loss(view, directions, self.knots, self.limit) for view in views]
        regularizer = sum(statistics) / len(statistics)
        loss = (1.0 - self.weight) * invariance + self.weight * regularizer
        return loss, {"invariance": invariance, "regularizer": regularizer}
