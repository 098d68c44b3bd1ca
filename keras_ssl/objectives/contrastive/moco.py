"""MoCo, versions 2 and 3."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy, widest_gap
from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.numeric import check_positive, l2_normalize
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

_DEFAULTS: dict[int, dict[str, Any]] = {
    2: {
        "projector": (2048, 128),
        "predictor": None,
        "queue_size": 65536,
        "momentum": 0.999,
        "final_momentum": None,
    },
    3: {
        "projector": (4096, 256),
        "predictor": (4096, 256),
        "queue_size": 0,
        "momentum": 0.99,
        "final_momentum": 1.0,
    },
}


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2003.04297")
class MoCo(TeacherStudent):
    """MoCo: contrast the student's query with a momentum teacher's keys.

    Version 2 contrasts view 1 with the teacher's key of view 2, against a queue of past keys of the global batches:
    `InfoNCE(q1, k2, negatives=queue)`. Version 3 has no queue: each student view, through a predictor, finds the
    teacher's key of the other view among all keys of the global batch, in both directions:
    `2 T (InfoNCE(p1, k2) + InfoNCE(p2, k1))`. Logged: `loss`, `momentum`, `embedding_std`. Chance value of version 2:
    `log(queue_size + 1)`; its loss rises at first, while the queue still holds keys that are easy to tell apart.

    The authors of version 2 shuffle samples between GPUs so that batch norm cannot leak which key belongs to a query.
    Here batch norm sees the global batch, for the student and the teacher separately: there is no shuffle, and one
    device and many compute the same.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        version: 2 (default) or 3.
        projector: widths of the projector. Defaults to `(2048, 128)` (version 2: no batch norm) or `(4096, 256)`
            (version 3: batch norm after every Dense, the last without scale and shift).
        predictor: widths of the predictor, version 3 only. Defaults to `(4096, 256)`, normalized like its projector.
        batch_norm: batch norm in the heads, after every Dense, the last one without scale and shift. Defaults to
            False (version 2) or True (version 3). In short runs version 2 needs it too: without it all embeddings of
            an untrained network point one way, and the first steps, against a random queue, make that worse.
        queue_size: number of keys kept, version 2 only. Defaults to 65536; it must hold a global batch.
        temperature: T > 0. Defaults to `0.2`.
        momentum: of the teacher, at the start. Defaults to 0.999 (version 2) or 0.99 (version 3); short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to `momentum` (version 2) or 1 (version 3).
        **kwargs: `views` (default: `keras_ssl.views.moco(version)`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: for an unknown version, arguments the version does not have, or values out of range.

    Example:

    ```python
    model = keras_ssl.MoCo(keras_ssl.encoders.ConvNet(), projector=(128, 64), queue_size=4096, momentum=0.98)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020; Chen et al.,
        "Improved Baselines with Momentum Contrastive Learning", 2020 (version 2); Chen et al., "An Empirical Study of
        Training Self-Supervised Vision Transformers", ICCV 2021 (version 3).
    """

    stored_as: ClassVar[dict[str, str]] = {"predictor": "predictor_widths"}

    def __init__(
        self,
        encoder: keras.Model,
        version: int = 2,
        projector: Sequence[int] | None = None,
        predictor: Sequence[int] | None = None,
        batch_norm: bool | None = None,
        queue_size: int | None = None,
        temperature: float = 0.2,
        momentum: float | None = None,
        final_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
        if version not in _DEFAULTS:
            raise ValueError(f"`version` must be 2 or 3. Received: version={version}")
        if version == 2 and predictor is not None:
            raise ValueError(f"MoCo v2 has no predictor. Received: version=2, predictor={predictor}")
        if version == 3 and queue_size:
            raise ValueError(f"MoCo v3 has no queue. Received: version=3, queue_size={queue_size}")
        defaults = _DEFAULTS[version]
        batch_norm = version == 3 if batch_norm is None else batch_norm
        options: dict[str, Any] = {
            "batch_norm": batch_norm,
            "output_bias": not batch_norm,
            "output_norm": "plain" if batch_norm else None,
        }
        self.version = version
        super().__init__(encoder, **kwargs)
        self.add_projector(defaults["projector"] if projector is None else projector, **options)
        self.add_teacher(
            defaults["momentum"] if momentum is None else momentum,
            defaults["final_momentum"] if final_momentum is None else final_momentum,
        )
        self.batch_norm = batch_norm
        self.temperature = check_positive("temperature", temperature)
        predictor = defaults["predictor"] if predictor is None else predictor
        if predictor is not None:
            self.add_predictor(predictor, **options)
        self.queue_size = defaults["queue_size"] if queue_size is None else queue_size
        if version == 2:
            self.add_queue(self.queue_size)

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        if given.get("version", 2) == 3:
            widths = scale.widths((4096, 256))
            return {"projector": widths, "predictor": widths, "momentum": scale.momentum(0.99)}
        return {
            "projector": scale.widths((2048, 128)),
            "batch_norm": True,
            "queue_size": scale.queue(65536),
            "momentum": scale.momentum(0.999),
        }

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.moco(version=self.version)

    @property
    def compares_samples(self) -> bool:
        return self.version == 3

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.used_views(batch, step)
        if self.predictor is None:
            (query,), (key,) = self.project(views[:1], step.training), self.teach(views[1:], step.training)
            return {"q1": query, "k2": l2_normalize(key)}
        q1, q2 = (self.predictor(z, training=step.training) for z in self.project(views, step.training))
        k1, k2 = self.teach(views, step.training)
        return {"q1": q1, "q2": q2, "k1": k1, "k2": k2}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        if self.queue is not None:
            queue = self.queue.contents
            return info_nce_loss(embeddings["q1"], embeddings["k2"], self.temperature, queue, unit_negatives=True), {}
        forward = info_nce_loss(embeddings["q1"], embeddings["k2"], self.temperature)
        backward = info_nce_loss(embeddings["q2"], embeddings["k1"], self.temperature)
        return 2.0 * self.temperature * (forward + backward), {}

    @property
    def predictor_widths(self) -> Sequence[int] | None:
        return None if self.predictor is None else self.predictor.widths

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Version 2 finds a key among itself and K of the queue, version 3 among the N of the batch, `4 T` times.

        - at chance `log M + log E exp(cos / T)`, M the candidates: K + 1, or N;
        - collapsed `log M`, once the queue holds nothing else;
        - never below `log(1 + K exp(-2 / T))`, or for version 3 `log(1 + (N - 1) exp(-N / ((N - 1) T)))`, pairs at the
          corners of a simplex; the queue's keys need not keep to that.
        """
        negatives = self.queue_size if self.queue is not None else batch_size - 1
        expected = ExpectedLoss(
            initial=math.log(1 + negatives) + log_mean_exp(self.embedding_dim, 1.0 / self.temperature),
            collapsed=math.log(1 + negatives),
            floor=lowest_cross_entropy(
                negatives, self.temperature, 2.0 if self.queue is not None else widest_gap(batch_size)
            ),
        )
        return expected if self.queue is not None else expected * (4.0 * self.temperature)

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        if self.queue is not None:
            self.queue.enqueue(embeddings["k2"], updated)
        return super().after_step(embeddings, updated, step)
