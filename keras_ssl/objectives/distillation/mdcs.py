"""Experts for frequent, middling and rare classes, that learn from their own weak views."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.losses.distillation.softened_kl_loss import softened_kl_loss
from keras_ssl.losses.numeric import check_positive
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import LabelledModel, accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2308.09922")
class MDCS(LabelledModel):
    """MDCS: more diverse experts with consistency self-distillation, for classes of very different sizes.

    Expert e has the logits z_e and the loss `CE(y, z_e + lambda_e log prior)`, of both views: `lambda = 0` is the
    cross-entropy, 1 the balanced softmax; larger values look at rare classes, negative ones at frequent classes. Each
    expert's weak view teaches its strong view, `T^2 KL(softmax(weak / T) || softmax(strong / T))`, on the samples that
    its weak view classifies correctly. Both are means over experts and labeled samples; the second has the weight
    `consistency`, which rises linearly over the first part `ramp` of the training. `predict` gives the mean of the
    experts' logits. Logged: `loss`, `supervised`, `consistency`, `correct` (share of weak views), `accuracy`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        class_counts: how many samples each class has, at least 1 each: the prior up to a factor. Defaults to None:
            alike.
        tilts: lambda of each expert, at least one. Defaults to (-0.5, 1, 2.5).
        consistency: weight of the self-distillation, not negative. Defaults to 1.
        temperature: T > 0. Defaults to 1.
        ramp: part of the training over which the weight rises, in [0, 1]. Defaults to 0.1.
        **kwargs: `views` (default: a crop and flip as the weak view, `keras_ssl.views.simclr()` as the strong one),
            `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    counts = np.bincount(labels)
    model = keras_ssl.MDCS(keras_ssl.encoders.ConvNet(), classes=len(counts), class_counts=counts)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Zhao et al., "MDCS: More Diverse Experts with Consistency Self-distillation for Long-tailed Recognition", ICCV
        2023. The tilts are those of a derivative of the authors' code; weight and ramp are our choice.
    """

    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "class_counts": (8, 4, 2, 1)}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        class_counts: Sequence[float] | None = None,
        tilts: Sequence[float] = (-0.5, 1.0, 2.5),
        consistency: float = 1.0,
        temperature: float = 1.0,
        ramp: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        counts = np.ones(self.classes) if class_counts is None else np.asarray(class_counts, "float64")
        if counts.shape != (self.classes,) or not (np.isfinite(counts).all() and (counts >= 1).all()):
            raise ValueError(
                f"`class_counts` must be {self.classes} numbers of at least 1. Received: class_counts={class_counts}"
            )
        self.class_counts = [float(count) for count in counts]
        self.tilts = tuple(float(tilt) for tilt in tilts)
        if not self.tilts or not np.isfinite(self.tilts).all():
            raise ValueError(f"`tilts` must be finite numbers, at least one. Received: tilts={tilts}")
        if not 0.0 <= consistency < float("inf"):
            raise ValueError(f"`consistency` must be finite and not negative. Received: consistency={consistency}")
        if not 0.0 <= ramp <= 1.0:
            raise ValueError(f"`ramp` must lie in [0, 1]. Received: ramp={ramp}")
        self.consistency, self.ramp = float(consistency), float(ramp)
        self.temperature = check_positive("temperature", temperature)
        self._log_prior = np.log(counts / counts.sum()).astype("float32")
        self.experts = [self.classifier]
        for number in range(1, len(self.tilts)):
            expert = keras.layers.Dense(self.classes, name=f"expert{number}")
            expert.build((None, self.feature_dim))
            self.experts.append(expert)

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak, view_ops.simclr().views[0]])

    def classify(self, features: Tensor) -> Tensor:
        """The mean of the experts' logits, `[N, classes]`."""
        return sum(expert(features) for expert in self.experts) / len(self.experts)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        weak, strong = (self.encoder(view, training=step.training) for view in self.make_views(batch, step)[:2])
        found = {"features": keras.ops.stop_gradient(weak), "y": batch["y"]}
        for number, expert in enumerate(self.experts):
            found[f"weak{number}"], found[f"strong{number}"] = expert(weak), expert(strong)
        return found

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels, count = keras.ops, embeddings["y"], len(self.experts)
        supervised = consistency = correct = answer = 0.0
        labeled = ops.cast(ops.not_equal(labels, -1), "float32")
        for number, tilt in enumerate(self.tilts):
            weak, strong = (ops.cast(embeddings[f"{view}{number}"], "float32") for view in ("weak", "strong"))
            losses = [label_losses(logits + tilt * self._log_prior, labels)[0] for logits in (weak, strong)]
            supervised += 0.5 * (losses[0] + losses[1]) / count
            right = ops.cast(ops.equal(ops.cast(ops.argmax(weak, axis=1), "int32"), labels), "float32")
            consistency += right * softened_kl_loss(strong, weak, self.temperature) / count
            correct += right / count
            answer += weak / count
        rise = 1.0 if self.ramp == 0.0 else ops.minimum(step.progress / self.ramp, 1.0)
        return {
            "supervised": Term(supervised, labeled),
            "consistency": Term(consistency, labeled, self.consistency * rise),
            "correct": Term(correct, labeled, 0.0),
            "accuracy": accuracy_term(answer, labels),
        }
