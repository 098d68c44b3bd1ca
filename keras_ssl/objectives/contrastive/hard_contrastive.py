"""SimCLR with hard negatives only."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.chance import log_mean_exp, log_tail_exp, lowest_cross_entropy, widest_gap
from keras_ssl.losses.hard_contrastive_loss import check_quantile, hard_contrastive_loss
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2012.09740")
class HardContrastive(SimCLR):
    """Hard contrastive learning: SimCLR against the nearest negatives alone.

    Each of the 2N anchors keeps, of the 2N - 2 views of other images in the global batch, those whose cosine is at
    least the `quantile` of them all; the others leave the loss. `quantile=0` is SimCLR. A small temperature does the
    same softly; choosing explicitly lets the temperature stay large, which is kinder to images that are really alike.
    Logged: `loss` (chance value about `log(1 + (1 - quantile)(2N - 2))`), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.3`, larger than SimCLR's: the selection does what a small one is for.
        quantile: part of the negatives that is left out, in [0, 1). Defaults to `0.9`, ours, for batches of hundreds;
            the paper has no single value.
        **kwargs: `batch_norm`, as for `SimCLR`; `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive or `quantile` not in [0, 1).

    Example:

    ```python
    model = keras_ssl.HardContrastive(keras_ssl.encoders.ConvNet(), projector=(256, 64), quantile=0.8)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wang and Liu, "Understanding the Behavior of Contrastive Loss", CVPR 2021.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.3,
        quantile: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, **kwargs)
        self.quantile = check_quantile(quantile)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return hard_contrastive_loss(embeddings["z1"], embeddings["z2"], self.temperature, self.quantile), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """NT-Xent against k of M = 2N - 2 negatives, `k = M - floor(quantile M)`, the nearest.

        - at chance `log(E exp(cos / T) + M E[exp(cos / T); cos among the largest k / M])`, cosines taken to be normal;
        - collapsed `log(1 + M)`: where all cosines are equal, none lies below the quantile, and all negatives count
          (rounding may leave as few as k);
        - never below `log(1 + k exp(-N / ((N - 1) T)))`: the nearest negatives are at least as near as all on average.
        """
        negatives = 2 * batch_size - 2
        kept = negatives - min(math.floor(negatives * self.quantile), negatives - 1)
        sharpness = 1.0 / self.temperature
        nearest = math.log(negatives) + log_tail_exp(self.embedding_dim, sharpness, kept / negatives)
        return ExpectedLoss(
            initial=float(np.logaddexp(log_mean_exp(self.embedding_dim, sharpness), nearest)),
            collapsed=math.log(1 + negatives),
            floor=lowest_cross_entropy(kept, self.temperature, widest_gap(batch_size)),
        )
