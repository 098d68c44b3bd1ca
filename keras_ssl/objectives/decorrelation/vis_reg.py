"""VISReg."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.random_directions import random_directions
from keras_ssl.losses.view_mean_loss import view_mean_loss
from keras_ssl.losses.visreg_loss import visreg_terms
from keras_ssl.objectives.joint_embedding import JointEmbedding, check_crops
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2606.02572")
class VISReg(JointEmbedding):
    r"""VISReg: views agree, and the embeddings of a batch have mean 0, variance 1 and the shape of a normal.

    `(1 - weight) * invariance + weight * (scale + shape + center)`. The invariance is that of `LeJEPA`: `mean over
    views, samples and dimensions of (z_v - c)^2` with `c` the mean of the image's global views. The other terms are
    means over views of those of `visreg_terms`: the standard deviations should be 1, the sorted projections on random
    directions should be the quantiles of a normal distribution, and the means should be 0. It has neither teacher nor
    covariance matrix, and its gradient does not vanish where embeddings collapse. Logged: `loss`, `invariance`,
    `scale`, `shape`, `center` (unweighted), `embedding_std`.

    All views that the model is given take part. Views of one size pass the networks in one batch. The directions are
    drawn anew for each step, the same on every replica; statistics are those of the global batch.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector, with batch norm after each hidden layer; the last is D. Defaults to
            `(2048, 2048, 256)`, a choice of this library.
        weight: weight of the regularizer, lambda, in [0, 1]. Defaults to 0.9, the paper's for ImageNet; 0.6 for small
            data.
        global_views: number of first views whose mean is the target. Defaults to None: all.
        directions: number of random directions, K. Defaults to 4096.
        **kwargs: `views` (default: four of `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range; from `fit`, for fewer views than `global_views`.

    Example:

    ```python
    views = keras_ssl.views.colored_digits(copies=4)
    model = keras_ssl.VISReg(keras_ssl.encoders.ConvNet(), projector=(256, 64), weight=0.6, directions=256, views=views)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wu et al., "VISReg", 2026.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12), "directions": 16}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        weight: float = 0.9,
        global_views: int | None = None,
        directions: int = 4096,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.weight = check_number("weight", weight, 0.0, 1.0)
        self.global_views = None if global_views is None else check_integer("global_views", global_views, 1)
        self.directions = check_integer("directions", directions, 1)
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
        terms = zip(*(visreg_terms(view, directions) for view in views), strict=True)
        scale, shape, center = (sum(values) / len(views) for values in terms)
        loss = (1.0 - self.weight) * invariance + self.weight * (scale + shape + center)
        return loss, {"invariance": invariance, "scale": scale, "shape": shape, "center": center}
