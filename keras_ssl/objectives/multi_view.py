"""Contrastive learning with two or more views of every image."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.multi_view_loss import multi_view_dhel_loss, multi_view_info_nce_loss
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.typing import Logs, Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiViewInfoNCE(SimCLR):
    """MV-InfoNCE: SimCLR for V >= 2 views, with one term for each image, in which all pairs of its views take part.

    `-mean_i log( sum_{v != v'} e(i,v; i,v') / sum_v sum_{(j,v') != (i,v)} e(i,v; j,v') )` with
    `e(i,v; j,w) = exp(z_i^v.z_j^w / T)` over the global batch, rows L2-normalised: the pairs of views are summed
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
    views = keras_ssl.views.coloured_digits(copies=4)
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

    def objective(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        return multi_view_info_nce_loss(self.views_of(embeddings), self.temperature), {}

    def views_of(self, embeddings: dict[str, Tensor]) -> list[Tensor]:
        """The embeddings of all views, in order."""
        return [embeddings[f"z{number}"] for number in range(1, len(embeddings) + 1)]


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiViewDHEL(MultiViewInfoNCE):
    """MV-DHEL: all pairs of an image's V >= 2 views attract, and each view repels the other images' in that view.

    `-mean_i log( sum_{v < v'} e(i,v; i,v') / prod_v sum_{j != i} e(i,v; j,v) )` with `e(i,v; j,w) =
    exp(z_i^v.z_j^w / T)` over the global batch, rows L2-normalised. Attraction and repulsion are decoupled: negatives
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
    views = keras_ssl.views.coloured_digits(copies=4)
    model = keras_ssl.MultiViewDHEL(keras_ssl.encoders.ConvNet(), projector=(256, 64), views=views)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025.
    """

    def objective(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        return multi_view_dhel_loss(self.views_of(embeddings), self.temperature), {}
