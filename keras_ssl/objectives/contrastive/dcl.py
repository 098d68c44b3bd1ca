"""Decoupled contrastive learning."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.losses.chance import log_mean_exp, tilted_cosine, widest_gap
from keras_ssl.losses.dcl_loss import dcl_loss, von_mises_fisher_weights
from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2110.06848")
class DCL(SimCLR):
    """DCL: SimCLR whose positive does not stand among the candidates, so that near pairs do not weaken the negatives.

    `mean_i( -z_i.z_p(i) / T + log sum_{j != i, p(i)} exp(z_i.z_j / T) )` over all 2N embeddings of the global batch,
    rows L2-normalized, `p(i)` the other view of `i`. The mean runs over the anchors of both views, as in SimCLR, so
    that anchor by anchor `SimCLR_i = softplus(DCL_i)`; code that adds the two directions has twice this value. It is
    made for small batches, and tends to SimCLR for large ones. Logged: `loss` (chance value `log(2N - 2)`, and no
    lower bound at 0), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.1`.
        batch_norm: as for `SimCLR`.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive.

    Example:

    ```python
    model = keras_ssl.DCL(keras_ssl.encoders.ConvNet(), projector=(256, 64), temperature=0.2)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Yeh et al., "Decoupled Contrastive Learning", ECCV 2022.
    """

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return dcl_loss(embeddings["z1"], embeddings["z2"], self.temperature), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """The positive is no candidate: among M = 2N - 2 negatives, at temperature T.

        - at chance `log M + log E exp(cos / T)`, as for `SimCLR`;
        - collapsed `log M`;
        - never below `log M - N / ((N - 1) T)`: pairs at the corners of a simplex.
        """
        negatives = math.log(2 * batch_size - 2)
        return ExpectedLoss(
            initial=negatives + log_mean_exp(self.embedding_dim, 1.0 / self.temperature),
            collapsed=negatives,
            floor=negatives - widest_gap(batch_size) / self.temperature,
        )


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2110.06848")
class DCLW(DCL):
    """DCLW: DCL whose pull on a pair is weighted, less where its views are near already, more where they are far.

    The positive term of `DCL` is multiplied by `w_i = 2 - exp(z_i.z_p(i) / sigma) / mean_j exp(z_j.z_p(j) / sigma)`,
    the mean over the pairs of the global batch: the negative of a von Mises-Fisher density. The weights' mean is 1;
    with a large `sigma` all are 1 and this is DCL. They carry no gradient: the paper speaks of a weighting function and
    does not say, and published code does either. Logged: as for `DCL`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.1`.
        sigma: width of the density, positive. Defaults to `0.5`, the paper's.
        **kwargs: `batch_norm`, as for `SimCLR`; `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature or `sigma` is not positive.

    Example:

    ```python
    model = keras_ssl.DCLW(keras_ssl.encoders.ConvNet(), projector=(256, 64), temperature=0.2, sigma=0.5)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Yeh et al., "Decoupled Contrastive Learning", ECCV 2022.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        sigma: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, **kwargs)
        self.sigma = check_positive("sigma", sigma)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        z1, z2 = embeddings["z1"], embeddings["z2"]
        return dcl_loss(z1, z2, self.temperature, von_mises_fisher_weights(z1, z2, self.sigma)), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """As for `DCL`, but that at chance the weights, smaller for pairs that happen to be near, cost a little.

        `E[cos exp(cos / sigma)] / E[exp(cos / sigma)] / T`, about `1 / (D sigma T)`. Weights that fall as the cosine
        rises can only raise the loss (Chebyshev's inequality for sums), so the floor is that of `DCL`.
        """
        plain = super().expected_range(batch_size)
        cost = tilted_cosine(self.embedding_dim, 1.0 / self.sigma) / self.temperature
        return ExpectedLoss((plain.initial or 0.0) + cost, plain.collapsed, plain.floor)
