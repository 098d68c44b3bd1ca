"""Contrastive learning with two or more views of every image."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy, widest_gap
from keras_ssl.losses.multi_view_loss import multi_view_dhel_loss, multi_view_info_nce_loss
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2507.06979")
class MultiViewInfoNCE(SimCLR):
    """MV-InfoNCE: SimCLR for V >= 2 views, with one term for each image, in which all pairs of its views take part.

    `-mean_i log( sum_{v != v'} e(i,v; i,v') / sum_v sum_{(j,v') != (i,v)} e(i,v; j,v') )` with
    `e(i,v; j,w) = exp(z_i^v.z_j^w / T)` over the global batch, rows L2-normalized: the pairs of views are summed
    before the logarithm, not averaged after it. All views that the model is given take part, and pass the networks in
    one batch. Logged: `loss` (at least 0; chance value `log((V N - 1) / (V - 1))`), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.1`, the authors' for ImageNet; they take 0.5 for CIFAR.
        **kwargs: `batch_norm`, as for `SimCLR`; `views` (default: four of SimCLR's), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive; from `fit`, for fewer than two views.

    Example:

    ```python
    views = keras_ssl.views.colored_digits(copies=4)
    model = keras_ssl.MultiViewInfoNCE(keras_ssl.encoders.ConvNet(), projector=(256, 64), views=views)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025.
    """

    all_views: ClassVar[bool] = True

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, **kwargs)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([*view_ops.simclr().views] * 2)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return multi_view_info_nce_loss(self.views_of(embeddings), self.temperature), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """For V views of N samples, P = V (V - 1) / 2 pairs of views of one sample, at temperature T.

        - at chance `log((V N - 1) / (V - 1)) + L / P`, `L = log E exp(cos / T)`: the mean over the P positives takes up
          the rest of it (to second order, `E log mean exp(x) = L (1 - 1/P)`);
        - collapsed `log((V N - 1) / (V - 1))`;
        - never below `log(1 + V (N - 1) / (V - 1) exp(-N / ((N - 1) T)))`: pairs at the corners of a simplex.

        V is told by the views (`keras_ssl.views`); of other callables, it is taken to be 2.
        """
        views, pairs = self.number_of_views, self.number_of_views * (self.number_of_views - 1) / 2
        candidates = math.log((views * batch_size - 1) / (views - 1))
        negatives = views * (batch_size - 1) / (views - 1)
        return ExpectedLoss(
            initial=candidates + log_mean_exp(self.embedding_dim, 1.0 / self.temperature) / pairs,
            collapsed=candidates,
            floor=lowest_cross_entropy(negatives, self.temperature, widest_gap(batch_size)),
        )

    def views_of(self, embeddings: dict[str, Tensor]) -> list[Tensor]:
        """The embeddings of all views, in order."""
        return [embeddings[f"z{number}"] for number in range(1, len(embeddings) + 1)]


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2507.06979")
class MultiViewDHEL(MultiViewInfoNCE):
    """MV-DHEL: all pairs of an image's V >= 2 views attract, and each view repels the other images' in that view.

    `-mean_i log( sum_{v < v'} e(i,v; i,v') / prod_v sum_{j != i} e(i,v; j,v) )` with `e(i,v; j,w) =
    exp(z_i^v.z_j^w / T)` over the global batch, rows L2-normalized. Attraction and repulsion are decoupled: negatives
    come from within a view, and the positives are not among them. With five or more views it is reported to keep
    embeddings from losing dimensions. Logged: `loss` (no lower bound at 0; when all embeddings are one point,
    `V log(N - 1) - log(V (V - 1) / 2) + (V - 1) / T`), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.1`, the authors' for ImageNet; they take 0.5 for CIFAR.
        **kwargs: `batch_norm`, as for `SimCLR`; `views` (default: four of SimCLR's), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive; from `fit`, for fewer than two views.

    Example:

    ```python
    views = keras_ssl.views.colored_digits(copies=4)
    model = keras_ssl.MultiViewDHEL(keras_ssl.encoders.ConvNet(), projector=(256, 64), views=views)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025.
    """

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return multi_view_dhel_loss(self.views_of(embeddings), self.temperature), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """For V views of N samples, P = V (V - 1) / 2 pairs of views of one sample, at temperature T.

        - at chance `V (log(N - 1) + L) - log P - L (1 - 1/P)`, `L = log E exp(cos / T)`, as for `MultiViewInfoNCE`;
        - collapsed `V log(N - 1) - log P + (V - 1) / T`;
        - never below `V log(N - 1) - log P - (1 + V / (N - 1)) / T`: each view at the corners of a simplex.
        """
        views, pairs = self.number_of_views, self.number_of_views * (self.number_of_views - 1) / 2
        fixed = views * math.log(batch_size - 1) - math.log(pairs)
        spread = log_mean_exp(self.embedding_dim, 1.0 / self.temperature)
        return ExpectedLoss(
            initial=fixed + spread * (views - 1.0 + 1.0 / pairs),
            collapsed=fixed + (views - 1) / self.temperature,
            floor=fixed - (1.0 + views / (batch_size - 1)) / self.temperature,
        )
