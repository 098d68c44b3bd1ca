"""MoCHi: MoCo with hard negatives mixed in feature space."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.losses.chance import largest_cosines, log_mean_exp, lowest_cross_entropy
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.mochi_loss import hard_negative_mixes
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.contrastive.moco import MoCo
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2010.01028")
class MoCHi(MoCo):
    """MoCHi: MoCo v2 with synthetic negatives, mixed from the queue's rows that are nearest to each query.

    `InfoNCE(q1, k2, negatives = queue and mixes)`: of the `hardest` rows of the queue for a query, `mixes` random
    pairs are mixed, `a n_i + (1 - a) n_j` with a uniform in [0, 1), and `query_mixes` random ones are mixed with the
    query, `b q + (1 - b) n_j` with b uniform in [0, 0.5); all are scaled to unit length. The mixes are new for every
    sample and step. They carry no gradient, as the keys and the queue of MoCo carry none; that is our choice for the
    mixes with the query. With `mixes=0` and `query_mixes=0` this is MoCo v2.

    The authors begin to mix after some epochs of plain MoCo. Here there is no such delay: for one, train a few epochs
    with `MoCo` and load its weights. Logged: as by MoCo; the chance value is
    `log(1 + queue_size + mixes + query_mixes)`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        hardest: N, how many rows of the queue count as hard for a query, at most `queue_size`. Defaults to 1024.
        mixes: s, number of mixes of two hard negatives for each query. Defaults to 1024.
        query_mixes: s', number of mixes of the query with a hard negative. Defaults to 128.
        projector, batch_norm, queue_size, temperature, momentum, final_momentum: as for `MoCo`. `queue_size` defaults
            to 16384.
        **kwargs: `views` (default: `keras_ssl.views.moco(version=2)`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if a number of mixes is negative, `hardest` is not in [1, queue_size], or as `MoCo` does.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.MoCHi(
        encoder, hardest=64, mixes=32, query_mixes=8, projector=(128, 64), queue_size=4096, momentum=0.98
    )
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", NeurIPS 2020.
    """

    queue: FeatureQueue
    fixed_arguments: ClassVar[tuple[str, ...]] = ("version", "predictor")

    def __init__(
        self,
        encoder: keras.Model,
        hardest: int = 1024,
        mixes: int = 1024,
        query_mixes: int = 128,
        projector: Sequence[int] | None = None,
        batch_norm: bool | None = None,
        queue_size: int = 16384,
        temperature: float = 0.2,
        momentum: float | None = None,
        final_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
        for name, number in (("mixes", mixes), ("query_mixes", query_mixes)):
            check_integer(name, number, 0)
        if check_integer("hardest", hardest, 1) > queue_size:
            raise ValueError(f"`hardest` must be at most the queue's size, {queue_size}. Received: hardest={hardest}")
        super().__init__(
            encoder,
            projector=projector,
            batch_norm=batch_norm,
            queue_size=queue_size,
            temperature=temperature,
            momentum=momentum,
            final_momentum=final_momentum,
            **kwargs,
        )
        self.hardest, self.mixes, self.query_mixes = int(hardest), int(mixes), int(query_mixes)

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        found = super().small_settings(scale, given)
        rows = given.get("queue_size", found["queue_size"])
        return {**found, "hardest": max(rows // 8, 1), "mixes": rows // 16, "query_mixes": rows // 64}

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        embeddings = super().embed(batch, step)
        count = 3 * self.mixes + 2 * self.query_mixes
        if count:
            embeddings["draws"] = step.stream().uniform(shape=(count,))
        return embeddings

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        if "draws" not in embeddings:
            return super().objective(embeddings, step)
        query, bank = embeddings["q1"], self.queue.contents
        mixed = hard_negative_mixes(query, bank, embeddings["draws"], self.hardest, self.mixes)
        return info_nce_loss(query, embeddings["k2"], self.temperature, bank, mixed, unit_negatives=True), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """MoCo's, with the mixes among the candidates: M = 1 + K + mixes + query_mixes.

        - at chance `log(sum of E exp(cos / T))` over them: the queue's keys as in MoCo; mixes of two of the `hardest`
          cosines s that K random keys are expected to hold, `(a s + (1 - a) s') / sqrt(a^2 + (1 - a)^2)`; and mixes
          with the query itself, `(b + (1 - b) s) / |b q + (1 - b) n|`. (Mixed keys are taken to be orthogonal.)
        - collapsed `log M`;
        - never below `log(1 + (M - 1) exp(-2 / T))`.
        """
        sharpness, extra = 1.0 / self.temperature, self.mixes + self.query_mixes
        hard = largest_cosines(self.embedding_dim, self.queue_size, self.hardest)
        share = (np.arange(64) + 0.5)[:, None, None] / 64
        picks = hard[np.linspace(0, len(hard) - 1, min(len(hard), 64)).astype(int)]
        first, second = picks[:, None], picks[None, :]
        pairs = (share * first + (1 - share) * second) / np.hypot(share, 1 - share)
        b = 0.5 * share[:, 0]
        nearer = (b + (1 - b) * picks) / np.sqrt(b**2 + (1 - b) ** 2 + 2 * b * (1 - b) * picks)
        plain = (1 + self.queue_size) * math.exp(log_mean_exp(self.embedding_dim, sharpness))
        mixed = self.mixes * np.mean(np.exp(sharpness * pairs))
        mixed += self.query_mixes * np.mean(np.exp(sharpness * nearer))
        return ExpectedLoss(
            initial=math.log(plain + float(mixed)),
            collapsed=math.log(1 + self.queue_size + extra),
            floor=lowest_cross_entropy(self.queue_size + extra, self.temperature),
        )
