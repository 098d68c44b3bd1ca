"""Adaptive multi-head contrastive learning."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.multi_head import MultiHead
from keras_ssl.losses.adaptive_temperature_loss import (
    adaptive_barlow_twins_loss,
    adaptive_contrastive_loss,
    temperature_from_score,
)
from keras_ssl.losses.chance import largest_cosines, log_mean_exp, lowest_cross_entropy
from keras_ssl.losses.numeric import check_integer, check_positive, l2_normalize
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

_BASES = ("simclr", "moco", "barlow_twins")


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2310.05615")
class AdaptiveMultiHeadContrastive(TeacherStudent):
    r"""AMCL: several projection heads, and a temperature of its own for every pair.

    The loss of `base` is computed for each head and added up. A pair's temperature is
    `t = low + (high - low) * sigmoid(-phi(z_i).phi(z_j))`, with `phi` a small network that all heads share, and
    `penalty_weight * Omega(t)`, `Omega(t) = D/2 log(t) + 1/t`, keeps it from running to its bounds: it is added for
    positive pairs and taken off for negative ones.

    - `base="simclr"`: NT-Xent among all views of the global batch.
    - `base="moco"`: queries against a momentum teacher's keys and a queue of them, one per head.
    - `base="barlow_twins"`: the pairs are of dimensions, `(1 - C_ii / t_ii)^2` and `redundancy_weight C_ij^2 / t_ij`.
      The authors feed phi with a dimension's N values in the batch, which ties it to one batch size and to the order
      of the samples; here every dimension has a trained code in the place of `phi(z)`, shared by the heads.

    Where the authors' code puts the mean of `s / t` over the 100 hardest negatives, the softmax over all negatives is
    the default here, which with one `temperature` and without a penalty is `SimCLR` or `MoCo` with several heads;
    `hardest=100` is theirs (with Omega averaged over these negatives like the rest). Each view passes the networks
    separately. Logged: `loss`, `temperature` (mean over the positive pairs), `momentum` (MoCo), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        base: "simclr" (default), "moco" or "barlow_twins".
        projector: widths of each head. Defaults to `(512, 128)`.
        heads: number of heads. Defaults to 3.
        temperature: one for all pairs, positive, or None (default): adaptive.
        temperature_range: low and high. Defaults to `(0.05, 1.0)`. The authors take `(1e-5, 2.0)`: at their low end
            one pair weighs 20000 times as much as another, and training soon diverges unless its steps are small.
        penalty_weight: beta, not negative. Defaults to `1e-4`; the authors take 1e-6 with Barlow Twins.
        hidden_width: of `phi`. Defaults to 128.
        hardest: number of negatives that count, or None (default): all, in a softmax.
        redundancy_weight: with Barlow Twins. Defaults to `0.0051`.
        queue_size: with MoCo. Defaults to 4096.
        momentum: of MoCo's teacher. Defaults to `0.99`.
        final_momentum: at the planned end; None (default) keeps `momentum`.
        **kwargs: `views` (default: those of `base`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: for an unknown base or values out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.AdaptiveMultiHeadContrastive(encoder, projector=(128, 64))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wang et al., "Adaptive Multi-head Contrastive Learning", ECCV 2024.
    """

    projector: Any
    phi: MLPHead | None = None
    codes: Any = None
    queue: FeatureQueue | None = None
    stored_as: ClassVar[dict[str, str]] = {"momentum": "momentum", "final_momentum": "final_momentum"}

    def __init__(
        self,
        encoder: keras.Model,
        base: str = "simclr",
        projector: Sequence[int] = (512, 128),
        heads: int = 3,
        temperature: float | None = None,
        temperature_range: Sequence[float] = (0.05, 1.0),
        penalty_weight: float = 1e-4,
        hidden_width: int = 128,
        hardest: int | None = None,
        redundancy_weight: float = 0.0051,
        queue_size: int = 4096,
        momentum: float = 0.99,
        final_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
        if base not in _BASES:
            raise ValueError(f"`base` must be one of {_BASES}. Received: base={base!r}")
        self.base = base
        super().__init__(encoder, **kwargs)
        for name, weight in (("penalty_weight", penalty_weight), ("redundancy_weight", redundancy_weight)):
            if not weight >= 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={weight}")
        low, high = temperature_range
        if not 0 < low < high:
            raise ValueError(
                f"`temperature_range` must hold 0 < low < high. Received: temperature_range={tuple(temperature_range)}"
            )
        if hardest is not None:
            check_integer("hardest", hardest, 1)
        self.heads = heads
        self.temperature = None if temperature is None else check_positive("temperature", temperature)
        self.temperature_range = (float(low), float(high))
        self.penalty_weight = penalty_weight
        self.hidden_width = hidden_width
        self.hardest = hardest
        self.redundancy_weight = redundancy_weight
        self.queue_size, self.momentum, self.final_momentum = queue_size, momentum, final_momentum
        self.projector = MultiHead(heads, projector, name="projector")
        self.projector.build((None, self.feature_dim))
        width = self.embedding_dim
        if self.temperature is None and base == "barlow_twins":
            self.codes = self.add_weight(name="codes", shape=(width, hidden_width), initializer="glorot_uniform")
        elif self.temperature is None:
            # Part of the loss, so in float32 under every policy.
            self.phi = self.head(
                "phi", (hidden_width, width), width, batch_norm=False, output_bias=True, dtype="float32"
            )
        if base == "moco":
            self.add_teacher(momentum, final_momentum)
            self.queue = FeatureQueue(queue_size, heads * width, self.seed, name="queue")

    def default_views(self) -> Callable[..., list[Tensor]]:
        return getattr(view_ops, self.base)()

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        if self.queue is not None:
            self.queue.check_batch_size(batch_size)
        negatives = self.queue_size if self.queue is not None else 2 * batch_size - 2
        if self.base != "barlow_twins" and self.hardest is not None and self.hardest > negatives:
            raise ValueError(
                f"There are fewer negatives than `hardest`. Received: hardest={self.hardest}, {negatives} negatives"
            )

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        if self.queue is None:
            return super().embed(batch, step)
        first, second = self.used_views(batch, step)
        return {"z1": self.project([first], step.training)[0], "z2": self.teach([second], step.training)[0]}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        firsts, seconds = (self._split(embeddings[name]) for name in ("z1", "z2"))
        queues = [None] * self.heads if self.queue is None else self._split(self.queue.contents)
        parts = [self._head_loss(*each) for each in zip(firsts, seconds, queues, strict=True)]
        loss = sum((part for part, _ in parts[1:]), parts[0][0])
        return loss, {"temperature": sum(t for _, t in parts) / self.heads}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Of one head, times the number of heads. T is the fixed temperature, or the middle of the range.

        An untrained network scores all pairs about alike, so that temperatures are near the middle; that makes the
        value at chance a rough one, and penalties of positives and negatives cancel. M candidates, H the `hardest`:

        - at chance `log M + log E exp(cos / T)`, as in SimCLR and MoCo, or with `hardest` the mean of the largest H of
          M - 1 random cosines, over T;
        - collapsed `log M`, or 0;
        - never below `log(1 + (M - 1) exp(-g))`, or `-g`, with `g = 2 / t + penalty_weight * |Omega|` at the lowest t,
          `|Omega|` the penalty's range over all temperatures.

        For Barlow Twins, with N, D and `l = redundancy_weight`: at chance `D (1 + 1/((N-1) T^2)) + l D (D-1) / ((N-1)
        T)`, collapsed D, never below 0, each with the penalty `D Omega - D (D-1) Omega` times its weight, which is
        least at extreme temperatures.
        """
        adaptive = self.temperature is None and self.phi is not None or self.codes is not None
        low, high = self.temperature_range if adaptive else (self.temperature or 1.0,) * 2
        middle, width = 0.5 * (low + high), self.embedding_dim
        if self.base == "barlow_twins":
            return self._expected_barlow_twins(batch_size, (low, middle, high)) * self.heads
        penalties = self._penalties(low, high)
        gap = 2.0 / low + max(penalties) - min(penalties)
        negatives = self.queue_size if self.queue is not None else 2 * batch_size - 2
        if self.hardest is not None:
            nearest = float(np.mean(largest_cosines(width, negatives, self.hardest))) / middle
            return ExpectedLoss(nearest, 0.0, -gap) * self.heads
        candidates = math.log(1 + negatives)
        initial = candidates + log_mean_exp(width, 1.0 / middle)
        return ExpectedLoss(initial, candidates, lowest_cross_entropy(negatives, 1.0, gap)) * self.heads

    def _expected_barlow_twins(self, batch_size: int, temperatures: tuple[float, float, float]) -> ExpectedLoss:
        low, middle, high = temperatures
        width, freedom = self.embedding_dim, batch_size - 1
        pairs = width * (width - 1)
        noise = width / (freedom * middle**2) + self.redundancy_weight * pairs / (freedom * middle)
        usual = (width - pairs) * self._penalties(middle, middle)[0]
        extremes = self._penalties(low, high)
        least = width * min(extremes) - pairs * max(extremes)
        return ExpectedLoss(width + noise + usual, width + usual, least)

    def _penalties(self, low: float, high: float) -> list[float]:
        """The weighted penalty at both ends of a range of temperatures and where it is smallest."""
        width = self.embedding_dim
        ends = (low, high, min(max(2.0 / width, low), high))
        return [self.penalty_weight * (0.5 * width * math.log(t) + 1.0 / t) for t in ends]

    def _split(self, embeddings: Tensor) -> list[Tensor]:
        """The embeddings `[N, D]` of every head."""
        return list(keras.ops.split(embeddings, self.heads, axis=1))

    def _temperature(self, rows: Tensor, columns: Tensor) -> Tensor:
        """The temperatures of all pairs of L2-normalized embeddings, `[N, M]`, or the one for all."""
        if self.phi is None:
            return keras.ops.convert_to_tensor(self.temperature, dtype="float32")
        score = keras.ops.matmul(self._describe(rows), keras.ops.transpose(self._describe(columns)))
        return temperature_from_score(score, *self.temperature_range)

    def _describe(self, embeddings: Tensor) -> Tensor:
        return keras.ops.cast(self.phi(embeddings), "float32") if self.phi is not None else embeddings

    def _head_loss(self, z1: Tensor, z2: Tensor, queue: Tensor | None) -> tuple[Tensor, Tensor]:
        """The loss of one head, and the mean temperature of its positive pairs."""
        ops = keras.ops
        if self.base == "barlow_twins":
            temperature = ops.convert_to_tensor(1.0 if self.temperature is None else self.temperature, dtype="float32")
            if self.codes is not None:
                codes = ops.convert_to_tensor(self.codes)
                temperature = temperature_from_score(ops.matmul(codes, ops.transpose(codes)), *self.temperature_range)
            loss = adaptive_barlow_twins_loss(z1, z2, temperature, self.redundancy_weight, self.penalty_weight)
            width = z1.shape[1]
            return loss, ops.sum(ops.eye(width) * temperature) / width
        z1, z2 = l2_normalize(z1), l2_normalize(z2)
        count = ops.shape(z1)[0]
        rows = ops.arange(count, dtype="int32")
        if queue is not None:
            # Each row's own key comes first: all other keys of the batch are left out, as in MoCo.
            columns = ops.concatenate([z2, l2_normalize(queue)], axis=0)
            anchors, labels = z1, rows
            other = ops.not_equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0))
            excluded = ops.concatenate([other, ops.zeros((count, self.queue_size), dtype="bool")], axis=1)
        else:
            anchors = columns = ops.concatenate([z1, z2], axis=0)
            rows = ops.arange(2 * count, dtype="int32")
            labels = ops.mod(rows + count, 2 * count)
            excluded = ops.equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0))
        temperature = self._temperature(anchors, columns)
        loss = adaptive_contrastive_loss(
            ops.matmul(anchors, ops.transpose(columns)),
            temperature,
            labels,
            excluded,
            self.penalty_weight,
            int(z1.shape[1]),
            self.hardest,
        )
        if self.phi is None:
            return loss, temperature
        return loss, ops.mean(ops.take_along_axis(temperature, ops.expand_dims(labels, 1), axis=1))

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        if self.queue is None:
            return {}
        keys = [l2_normalize(z) for z in self._split(embeddings["z2"])]
        self.queue.enqueue(keras.ops.concatenate(keys, axis=1), updated)
        return super().after_step(embeddings, updated, step)
