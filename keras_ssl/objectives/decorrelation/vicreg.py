"""VICReg."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.vicreg_loss import vicreg_terms
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2105.04906")
class VICReg(JointEmbedding):
    r"""VICReg: views agree, every dimension of the embedding varies, and no two dimensions vary together.

    `invariance_weight * mean (z1 - z2)^2 + variance_weight * V + covariance_weight * C`, with the unbiased covariance
    `S` of each view over the global batch, `V` the mean of `relu(1 - sqrt(S_ii + 1e-4))` and `C` the sum over both
    views of `1/D sum_{i != j} S_ij^2`. The two views pass the encoder separately, each with its own batch statistics.
    Logged: `loss`, `invariance`, `variance` and `covariance` (unweighted), `embedding_std`. Collapsed embeddings give
    `0.99 * variance_weight`.

    The defaults are those of the authors' code: it halves the variance term, which the paper does not; its weights
    go with the half.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector; the last is D. Defaults to `(8192, 8192, 8192)`.
        invariance_weight: not negative. Defaults to 25.
        variance_weight: not negative. Defaults to 25.
        covariance_weight: not negative. Defaults to 1.
        halve_variance: whether the variance term is the mean of both views' or, as the paper has it, their sum.
            Defaults to True.
        **kwargs: `views` (default: `keras_ssl.views.vicreg()`, the paper's; the authors' code runs
            `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if a weight is negative.

    Example:

    ```python
    model = keras_ssl.VICReg(keras_ssl.encoders.ConvNet(), projector=(256, 256))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", ICLR 2022.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (8192, 8192, 8192),
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        halve_variance: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.weights_of_terms = {
            "invariance_weight": invariance_weight,
            "variance_weight": variance_weight,
            "covariance_weight": covariance_weight,
        }
        for name, value in self.weights_of_terms.items():
            if not value >= 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={value}")
        # The authors' hidden layers have a bias although batch norm follows them.
        self.add_projector(projector, hidden_bias=True)
        self.halve_variance = halve_variance

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.vicreg()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        terms = vicreg_terms(embeddings["z1"], embeddings["z2"], self.halve_variance)
        loss = sum(weight * term for weight, term in zip(self.weights_of_terms.values(), terms, strict=True))
        return loss, dict(zip(("invariance", "variance", "covariance"), terms, strict=True))

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """For dimensions of variance 1, where the variance term wants them: the loss is not free of scale.

        - at chance `2 invariance_weight + variance_weight V + 2 covariance_weight (D-1) / (N-1)`, with
          `V = 1 / sqrt(4 pi (N-1))` (twice that where the term is not halved) from the noise of a standard deviation;
        - collapsed `variance_weight (1 - sqrt(1e-4))`, or twice that;
        - never below 0.
        """
        weights = self.weights_of_terms
        parts = 1.0 if self.halve_variance else 2.0
        noise = parts / math.sqrt(4.0 * math.pi * (batch_size - 1))
        covariance = 2.0 * (self.embedding_dim - 1) / (batch_size - 1)
        return ExpectedLoss(
            initial=2.0 * weights["invariance_weight"]
            + weights["variance_weight"] * noise
            + weights["covariance_weight"] * covariance,
            collapsed=weights["variance_weight"] * parts * 0.99,
            floor=0.0,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.weights_of_terms, "halve_variance": self.halve_variance}
