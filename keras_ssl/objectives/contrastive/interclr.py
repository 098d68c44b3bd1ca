"""InterCLR."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.layers.memory_bank import MemoryBank
from keras_ssl.layers.online_clusters import OnlineClusters
from keras_ssl.losses.chance import log_mean_exp, log_tail_exp
from keras_ssl.losses.inter_image_loss import inter_image_cross_entropy
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.objectives.contrastive.moco import MoCo
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2008.11702")
class InterCLR(MoCo):
    r"""InterCLR: MoCo v2, and beside it contrast between images that seem to show the same thing.

    A memory bank keeps an embedding of every sample of the data set, by its `index`, and clusters of it are kept up
    to date with each batch. The inter-image positive of a query is a random member of its own sample's cluster (its
    own entry is one); its negatives are drawn from the `pool` entries of other clusters that are most similar to it
    (semi-hard). `loss = (1 - inter_weight) * MoCo + inter_weight * inter`, where `inter` is InfoNCE with the margin
    subtracted from the cosine of the positive, see `losses.inter_image_loss`. Samples not seen before have no
    inter-image loss, and are nobody's positive or negative.

    The bank takes the teacher's keys. The authors first cluster all features by k-means, redirect small clusters from
    time to time, and keep unnormalized centroids; here a cluster without members takes a random sample of the batch,
    and centroids are normalized. Negatives are drawn with replacement. The data must give the key `index`, which arrays
    have by themselves; in an evaluation too it means the samples that were trained on.

    Logged: `loss`, `intra`, `inter`, `momentum`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        dataset_size: number of samples of the data set.
        clusters: number of clusters. Defaults to 10000, the paper's for ImageNet.
        negatives: number of inter-image negatives for each query. Defaults to 16384.
        pool: number of most similar entries that they are drawn from, at most `dataset_size`. Defaults to None, a tenth
            of `dataset_size` and at most 128000: on ImageNet that is the paper's 128000.
        inter_weight: in [0, 1]. Defaults to 0.25; 0 is MoCo.
        margin: subtracted from the cosine of the inter-image positive. Defaults to -0.5.
        bank_momentum: share of the new embedding in the bank. Defaults to 0.5.
        **kwargs: as for `MoCo` (version 2): `projector`, `batch_norm`, `queue_size`, `temperature`, `momentum`,
            `final_momentum`, `views`, `preprocessing`, `seed`, `name`, `dtype`.

    Raises:
        ValueError: if a value is out of range, or (from `fit`) an index lies beyond `dataset_size`.

    Example:

    ```python
    model = keras_ssl.InterCLR(
        keras_ssl.encoders.ConvNet(), dataset_size=len(images), clusters=64, negatives=256, pool=1024, queue_size=4096
    )
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Xie et al., "Delving into Inter-Image Invariance for Unsupervised Visual Representations", IJCV 2022.
    """

    fields: ClassVar[dict[str, Field]] = {"index": Field("int32")}
    fixed_arguments: ClassVar[tuple[str, ...]] = ("version", "predictor")
    stored_as: ClassVar[dict[str, str]] = {"clusters": "clusters.count", "bank_momentum": "bank.momentum"}

    def __init__(
        self,
        encoder: keras.Model,
        dataset_size: int,
        clusters: int = 10000,
        negatives: int = 16384,
        pool: int | None = None,
        inter_weight: float = 0.25,
        margin: float = -0.5,
        bank_momentum: float = 0.5,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("version", 2) != 2 or kwargs.pop("predictor", None) is not None:
            raise ValueError("InterCLR is built on MoCo v2. Received: version=3 or a predictor")
        if not 0 <= inter_weight <= 1:
            raise ValueError(f"`inter_weight` must lie in [0, 1]. Received: inter_weight={inter_weight}")
        dataset_size = check_integer("dataset_size", dataset_size, 1)
        pool = default_pool(dataset_size) if pool is None else pool
        for name, value in (("negatives", negatives), ("pool", pool)):
            check_integer(name, value, 1)
        if pool > dataset_size:
            raise ValueError(
                f"`pool` must not be larger than the data set. Received: pool={pool}, dataset_size={dataset_size}"
            )
        super().__init__(encoder, version=2, **kwargs)
        self.dataset_size, self.negatives, self.pool = dataset_size, negatives, pool
        self.inter_weight, self.margin = inter_weight, margin
        self.bank = MemoryBank(dataset_size, self.embedding_dim, bank_momentum, name="bank")
        self.clusters = OnlineClusters(dataset_size, clusters, self.embedding_dim, name="clusters")

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        images = scale.images or 0
        return {**super().small_settings(scale, given), "negatives": max(min(16384, images // 24), 16)}

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        stream = step.stream()
        return {
            **super().embed(batch, step),
            "index": keras.ops.cast(batch["index"], "int32"),
            "order": stream.uniform(),
            "positive": stream.uniform(),
            "negatives": stream.uniform(shape=(self.negatives,)),
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        intra, _ = super().objective(embeddings, step)
        if not self.inter_weight:
            return intra, {"intra": intra, "inter": keras.ops.zeros_like(intra)}
        inter = self._inter(embeddings)
        return (1.0 - self.inter_weight) * intra + self.inter_weight * inter, {"intra": intra, "inter": inter}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """`(1 - inter_weight)` of MoCo's, and `inter_weight` of the inter-image term, once the bank knows every sample.

        - at chance that is `log(E exp(cos / T) + n exp(m / T) E[exp(cos / T) | cos among the pool])`, with n negatives
          drawn from the `pool` nearest of the entries of other clusters, and m the margin; before any sample was seen
          it is 0;
        - collapsed 0: all samples are of one cluster, and nothing is left to be a negative;
        - never below 0.
        """
        sharpness, others = 1.0 / self.temperature, self.dataset_size * (1.0 - 1.0 / self.clusters.count)
        fraction = min(self.pool / max(others, 1.0), 1.0)
        nearest = log_tail_exp(self.embedding_dim, sharpness, fraction) - math.log(fraction)
        negatives = math.log(self.negatives) + self.margin * sharpness + nearest
        inter = float(np.logaddexp(log_mean_exp(self.embedding_dim, sharpness), negatives))
        intra = super().expected_range(batch_size)
        return intra * (1.0 - self.inter_weight) + ExpectedLoss(inter, 0.0, 0.0) * self.inter_weight

    def _inter(self, embeddings: dict[str, Tensor]) -> Tensor:
        ops = keras.ops
        queries, index, rows = embeddings["q1"], embeddings["index"], self.bank.contents
        labels = self.clusters.labels
        own = ops.take(labels, ops.clip(index, 0, self.dataset_size - 1))
        # A row of the memory that is not there is NaN, and with it the loss: a wrong index must not go unseen.
        known = ops.where(own < 0, 0.0, 1.0) + 0.0 * self.bank.gather(index)[:, 0]
        members = ops.equal(own[:, None], labels[None, :])
        positives = random_member(members, embeddings["positive"])
        others = ops.logical_and(ops.logical_not(members), self.bank.seen[None, :])
        # Every cosine that the loss needs stands in this matrix: gathering the rows themselves, one for each sample and
        # negative, would take far more memory.
        similarity = ops.matmul(l2_normalize(queries), ops.transpose(rows))
        negatives, missing = semi_hard(ops.stop_gradient(similarity), others, self.pool, embeddings["negatives"])
        return inter_image_cross_entropy(
            ops.take_along_axis(similarity, positives[:, None], axis=1),
            ops.take_along_axis(similarity, negatives, axis=1),
            self.temperature,
            self.margin,
            excluded=missing,
            weights=known,
        )

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        self.bank.remember(embeddings["index"], embeddings["k2"], updated)
        self.clusters.update(self.bank.contents, embeddings["index"], embeddings["order"], updated)
        return super().after_step(embeddings, updated, step)

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        self.bank.check_index(fields["index"], "dataset_size")


def default_pool(dataset_size: int) -> int:
    """A tenth of the data, and no more than the paper takes of ImageNet."""
    return max(min(dataset_size // 10, 128_000), 1)


def random_member(members: Tensor, draws: Tensor) -> Tensor:
    """The place of a random true entry of each row of the booleans `members` `[N, M]`: int32 `[N]`; 0 if none is.

    `draws` are uniform numbers in [0, 1), `[N]`.
    """
    ops = keras.ops
    counted = ops.cumsum(ops.cast(members, "int32"), axis=1)
    wanted = ops.cast(draws * ops.cast(counted[:, -1], draws.dtype), "int32")
    return ops.cast(ops.argmax(ops.cast(counted > wanted[:, None], "int32"), axis=1), "int32")


def semi_hard(similarity: Tensor, allowed: Tensor, pool: int, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Places drawn, with replacement, from the `pool` most similar allowed entries of each row.

    Args:
        similarity: `[N, M]`.
        allowed: booleans `[N, M]`. Where a row has fewer than `pool`, they are the pool.
        pool: its size.
        draws: uniform numbers in [0, 1), `[N, K]`.

    Returns:
        int32 places `[N, K]`, and booleans `[N, K]`: true where a row has no allowed entry at all.
    """
    ops = keras.ops
    _, nearest = ops.top_k(ops.where(allowed, similarity, -2.0), pool)
    available = ops.minimum(ops.sum(ops.cast(allowed, "int32"), axis=1, keepdims=True), pool)
    ranks = ops.cast(draws * ops.cast(available, draws.dtype), "int32")
    places = ops.take_along_axis(ops.cast(nearest, "int32"), ranks, axis=1)
    return places, ops.broadcast_to(ops.equal(available, 0), ops.shape(places))
