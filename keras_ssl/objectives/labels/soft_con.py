"""SoftCon."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.losses.chance import mean_softplus
from keras_ssl.losses.metric.checks import check_finite_positive, check_weight
from keras_ssl.losses.metric.soft_similarity_loss import soft_similarity_loss
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.contrastive.moco import MoCo
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2405.20462")
class SoftCon(MoCo):
    """SoftCon: MoCo, and similarities across samples that follow those of their multi-label vectors.

    The loss is that of `MoCo` version 2 plus `weight` times the binary cross-entropy between the similarities of all
    queries and keys of the global batch, `sigmoid(cosine / soft_temperature)`, and the cosines of the samples' label
    vectors: see `keras_ssl.losses.soft_similarity_loss`. Labels may cost nothing, such as the land cover of a scene in
    a public map. A batch holds them as `labels`, a vector of zeros and ones for each sample; or, with `classes`, as
    `y`, class numbers, which stand for vectors with a single one (-1: unlabeled, all zeros, alike with nothing else).
    With weight 0 this is MoCo.
    Logged: `loss`, `contrast` and `soft` (its parts), `momentum`, `embedding_std`.

    The paper's exact form of the soft loss was not to be had: the binary cross-entropy, its temperature and weight are
    our choice. The paper also continues from weights of DINOv2 and masks one branch; both are independent of the loss
    and not included.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        classes: number of classes, where labels are class numbers, `y`. Defaults to None: vectors, `labels`.
        weight: of the soft loss, not negative. Defaults to 1.
        soft_temperature: T > 0 of the soft loss. Defaults to 0.2.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        batch_norm: batch norm in the projector, as for `MoCo`. Defaults to False.
        queue_size: number of keys kept; it must hold a global batch. Defaults to 65536.
        temperature: T > 0 of MoCo's loss. Defaults to 0.2.
        momentum: of the teacher, at the start. Defaults to 0.999; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        **kwargs: `views` (default: `keras_ssl.views.moco(version=2)`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if a value is out of range; from `fit`, if `labels` is not `[N, L]` or has an entry outside [0, 1],
            or `y` is not a class.

    Example:

    ```python
    model = keras_ssl.SoftCon(keras_ssl.encoders.ConvNet(), projector=(128, 64), queue_size=4096, momentum=0.98)
    model.compile("adam")
    model.fit({"x": images, "labels": land_cover}, epochs=10)  # land_cover: zeros and ones, [N, L]
    ```

    Reference:
        Wang et al., "Multi-Label Guided Soft Contrastive Learning for Efficient Earth Observation Pretraining", 2024.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32")}
    without_labels: ClassVar[str | None] = "MoCo"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "projector": (24, 12), "queue_size": 32, "momentum": 0.9}
    fixed_arguments: ClassVar[tuple[str, ...]] = ("version", "predictor")

    def __init__(
        self,
        encoder: keras.Model,
        classes: int | None = None,
        weight: float = 1.0,
        soft_temperature: float = 0.2,
        projector: Sequence[int] | None = None,
        batch_norm: bool = False,
        queue_size: int = 65536,
        temperature: float = 0.2,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
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
        self.classes = None if classes is None else check_integer("classes", classes, 2)
        self.weight = check_weight("weight", weight)
        self.soft_temperature = check_finite_positive("soft_temperature", soft_temperature)

    @property
    def batch_fields(self) -> Mapping[str, Field]:
        return {"labels": Field("float32", (None,))} if self.classes is None else self.fields

    @property
    def needs_labels(self) -> bool:
        """Whether `y` must name a class of some sample; vectors of labels may be all zeros."""
        return self.classes is not None

    @property
    def compares_samples(self) -> bool:
        return True

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        name = "labels" if self.classes is None else "y"
        labels = np.asarray(keras.ops.convert_to_numpy(batch[name]))
        low, high = (0, 1) if self.classes is None else (-1, self.classes - 1)
        wrong = ~((labels >= low) & (labels <= high))
        if wrong.any():
            raise ValueError(f"Labels must lie in [{low}, {high}]. Received: {name}={labels[wrong][0]}")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return super().embed(batch, step) | self.passed_on(batch)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        contrast, logs = super().objective(embeddings, step)
        if self.classes is None:
            labels = embeddings["labels"]
        else:
            labels = keras.ops.one_hot(keras.ops.cast(embeddings["y"], "int32"), self.classes, dtype="float32")
        soft = soft_similarity_loss(embeddings["q1"], embeddings["k2"], labels, self.soft_temperature)
        return contrast + self.weight * soft, {**logs, "contrast": contrast, "soft": soft}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """MoCo's, with the weight times the soft part.

        - at chance `E log(1 + exp(cos / T))`, whatever the labels;
        - collapsed: not told, as it depends on the labels;
        - the soft part is never below 0.
        """
        contrast = super().expected_range(batch_size)
        if contrast.initial is None:
            return ExpectedLoss()
        chance = mean_softplus(self.embedding_dim, 1.0 / self.soft_temperature)
        return ExpectedLoss(initial=contrast.initial + self.weight * chance, floor=contrast.floor)
