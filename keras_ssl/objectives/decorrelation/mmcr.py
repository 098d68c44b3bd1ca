"""Maximum Manifold Capacity Representations."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.chance import nuclear_norm_of_noise
from keras_ssl.losses.mmcr_loss import mmcr_loss
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2303.03307")
class MMCR(JointEmbedding):
    r"""MMCR: the centroids of all images' views should be long and fill as many directions as they can.

    `-|C|_* + manifold_weight * mean_i |Z_i|_*`: minus the nuclear norm of the centroids `[N, D]` of the global batch
    (embeddings L2-normalized, averaged over the views of an image), and optionally the mean nuclear norm of each
    image's views. Views that agree make centroids long; a high nuclear norm makes them differ from image to image.
    It takes every view that it is given; more views estimate the centroids better. All views pass the networks in one
    batch. Logged: `loss` (between `-sqrt(N min(N, D))` and 0; `-sqrt(N)` when collapsed), `embedding_std`.

    The gradient of a singular value near 0 magnifies rounding: with more images in a batch than dimensions, as usual,
    there is none.

    The authors' ImageNet runs also put the views through a momentum copy of the network and count them as further
    views; this is the version without it.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(8192, 8192, 512)`, for ImageNet; `(512, 128)` for CIFAR-10.
        manifold_weight: lambda, not negative. Defaults to 0.
        **kwargs: `views` (default: the two of `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if `manifold_weight` is negative.

    Example:

    ```python
    views = keras_ssl.views.colored_digits(copies=4)
    model = keras_ssl.MMCR(keras_ssl.encoders.ConvNet(), projector=(128, 64), views=views)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Yerxa et al., "Learning Efficient Coding of Natural Images with Maximum Manifold Capacity Representations",
        NeurIPS 2023.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (8192, 8192, 512),
        manifold_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        if not manifold_weight >= 0:
            raise ValueError(f"`manifold_weight` must not be negative. Received: manifold_weight={manifold_weight}")
        self.add_projector(projector)
        self.manifold_weight = manifold_weight

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.byol()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return mmcr_loss(list(embeddings.values()), self.manifold_weight), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Minus the nuclear norm of N centroids, and w = `manifold_weight` times that of an image's V views.

        - at chance that of random matrices with rows of the lengths `1 / sqrt(V)` and 1 (Marchenko and Pastur's law,
          `losses.chance.nuclear_norm_of_noise`);
        - collapsed `-sqrt(N) + w sqrt(V)`: matrices of rank one;
        - never below `-sqrt(N min(N, D)) + w sqrt(V)`: a nuclear norm is at most the root of the rank times the
          Frobenius norm, and at least the latter.

        V is told by the views (`keras_ssl.views`); of other callables, it is taken to be 2.
        """
        views, width = self.number_of_views, self.embedding_dim
        centroids = nuclear_norm_of_noise(batch_size, width, views**-0.5)
        one_direction = self.manifold_weight * views**0.5
        return ExpectedLoss(
            initial=-centroids + self.manifold_weight * nuclear_norm_of_noise(views, width),
            collapsed=-(batch_size**0.5) + one_direction,
            floor=-((batch_size * min(batch_size, width)) ** 0.5) + one_direction,
        )
