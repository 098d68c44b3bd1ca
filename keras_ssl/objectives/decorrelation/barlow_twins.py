"""Barlow Twins."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.barlow_twins_loss import barlow_twins_terms
from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2103.03230")
class BarlowTwins(JointEmbedding):
    r"""Barlow Twins: two views of an image, and an embedding whose dimensions agree and do not repeat each other.

    The cross-correlation `C` of the two views' embeddings over the global batch is driven to the identity:
    `scale * (sum_i (1 - C_ii)^2 + redundancy_weight * sum_{i != j} C_ij^2)`. The two views pass the encoder
    separately, each with its own batch statistics, as in the authors' code. Logged: `loss`, `invariance` and
    `redundancy` (the two sums, unweighted), `embedding_std`. Untrained, the loss is about `scale * D`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector; the last is D. Defaults to `(8192, 8192, 8192)`, the paper's: 134
            million weights, which take several seconds of a CPU for every update (`fit` warns of it). On small
            encoders 256 or 512 learn as well in a fraction of the time, with a larger `redundancy_weight`.
        redundancy_weight: weight of the off-diagonal term (lambda). Defaults to `0.0051`, the paper's.
        scale: factor of the loss. Defaults to 1; the authors' published runs trained with a smaller effective gradient
            (1 over the number of GPUs) on the parameters that LARS leaves alone, which recipes state here.
        **kwargs: `views` (default: `keras_ssl.views.barlow_twins()`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if `redundancy_weight` is negative or `scale` not positive.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.BarlowTwins(encoder, projector=(256, 256), redundancy_weight=0.02)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (8192, 8192, 8192),
        redundancy_weight: float = 0.0051,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        if redundancy_weight < 0:
            raise ValueError(
                f"`redundancy_weight` must not be negative. Received: redundancy_weight={redundancy_weight}"
            )
        check_positive("scale", scale)
        self.add_projector(projector)
        self.redundancy_weight = redundancy_weight
        self.scale = scale

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"redundancy_weight": 0.02}  # fewer dimensions have fewer pairs

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.barlow_twins()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        invariance, redundancy = barlow_twins_terms(embeddings["z1"], embeddings["z2"])
        loss = self.scale * (invariance + self.redundancy_weight * redundancy)
        return loss, {"invariance": invariance, "redundancy": redundancy}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """A sum over D dimensions, or pairs of them, times `scale`; l is `redundancy_weight`.

        - at chance `D (1 + 1/(N-1)) + l D (D-1) / (N-1)`: every correlation has the mean 0 and the variance `1/(N-1)`;
        - collapsed D: constant dimensions correlate with nothing;
        - never below 0; and where D > N - 1 (and l <= 1) not below `D k / (1 + k)`, `k = l (D / (N-1) - 1)`: a matrix
          of rank N - 1 has squares that sum to at least the square of its trace over N - 1, so that more dimensions
          than samples cannot all be uncorrelated.
        """
        width, rank, weight = self.embedding_dim, batch_size - 1, self.redundancy_weight
        excess = weight * max(width / rank - 1.0, 0.0) if weight <= 1.0 else 0.0
        initial = width * (1.0 + 1.0 / rank) + weight * width * (width - 1) / rank
        return ExpectedLoss(initial, float(width), width * excess / (1.0 + excess)) * self.scale
