"""Distillation without a teacher, by soft labels made of the student's own outputs."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.distillation.normalized_kd_loss import universal_self_kd_loss
from keras_ssl.objectives.distillation.crop_model import CropModel
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2303.13005")
class UniversalSelfKD(CropModel):
    """USKD: a classifier with the soft labels that a teacher would give, made of its own outputs.

    `CE(y, s) + losses.universal_self_kd_loss(s, weak, y)`, a mean over the labeled samples. The weak head is linear, on
    the encoder's features without their gradient, so that it ranks the classes by what the features say and changes
    nothing of them. Logged: `loss`, `supervised`, `self_distilled`, `accuracy`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes, at least 3.
        target_weight, other_weight, weak_weight: of the three parts, not negative. Default to 1, 0.1 and 0.005.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.UniversalSelfKD(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Yang et al., "From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with Normalized
        Loss and Customized Soft Labels", ICCV 2023. There the weak head stands on an intermediate layer.
    """

    scope: ClassVar[str] = "batch"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        target_weight: float = 1.0,
        other_weight: float = 0.1,
        weak_weight: float = 0.005,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        if self.classes < 3:
            raise ValueError(f"`classes` must be at least 3: others are ranked. Received: classes={classes}")
        weights = {"target_weight": target_weight, "other_weight": other_weight, "weak_weight": weak_weight}
        for name, value in weights.items():
            if not 0.0 <= value < float("inf"):
                raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
        self.part_weights = {name: float(value) for name, value in weights.items()}
        self.weak = keras.layers.Dense(self.classes, name="weak")
        self.weak.build((None, self.feature_dim))

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        features = self.encoder(self.make_views(batch, step)[0], training=step.training)
        fixed = keras.ops.stop_gradient(features)
        return {"features": fixed, "logits": self.classify(features), "weak": self.weak(fixed), "y": batch["y"]}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, labels = keras.ops, embeddings["y"]
        losses, labeled = label_losses(embeddings["logits"], labels)
        count = ops.maximum(ops.sum(labeled), 1.0)
        supervised = ops.sum(losses) / count
        own = universal_self_kd_loss(embeddings["logits"], embeddings["weak"], labels, labeled, **self.part_weights)
        distilled = ops.sum(labeled * own) / count
        correct = accuracy_term(embeddings["logits"], labels)
        accuracy = ops.sum(correct.values * correct.weights) / count
        return supervised + distilled, {"supervised": supervised, "self_distilled": distilled, "accuracy": accuracy}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.part_weights}
