"""Targets that a classifier refines by its own past predictions."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.layers import SampleTable
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.objectives.distillation.crop_model import CropModel
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2006.12000")
class ProgressiveSelfDistillation(CropModel):
    """Progressive self-distillation: the labels are softened by the model's own predictions of the epoch before.

    `CE((1 - a) y + a p_past, p)`, where a rises linearly over the training from 0 to `final_weight`, and `p_past` are
    the probabilities of the sample when it was seen last. A sample that was not seen yet has its label alone. The
    gradient of the logits is `p - [(1 - a) y + a p_past]`. Logged: `loss`, `supervised` (the same), `past` (share of
    samples with a past), `accuracy`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        dataset_size: number of samples in the data set: every `index` is below it. Memory grows with
            `dataset_size * classes`.
        final_weight: a at the end, in [0, 1]; 0 is the cross-entropy. Defaults to 0.8, the paper's for CIFAR-100.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, or a sample's number is not below `dataset_size`.

    Example:

    ```python
    model = keras_ssl.ProgressiveSelfDistillation(keras_ssl.encoders.ConvNet(), classes=10, dataset_size=len(images))
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Kim et al., "Self-Knowledge Distillation with Progressive Refinement of Targets", ICCV 2021. The weight rises
        with every update; there with every epoch.
    """

    fields: ClassVar[dict[str, Field]] = {**CropModel.fields, "index": Field("int32")}
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "dataset_size": 40}
    stored_as: ClassVar[dict[str, str]] = {"dataset_size": "past.size"}

    def __init__(
        self, encoder: keras.Model, classes: int, dataset_size: int, final_weight: float = 0.8, **kwargs: Any
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        dataset_size = check_integer("dataset_size", dataset_size, 1)
        if not 0.0 <= final_weight <= 1.0:
            raise ValueError(f"`final_weight` must lie in [0, 1]. Received: final_weight={final_weight}")
        self.final_weight = float(final_weight)
        self.past = SampleTable(dataset_size, [0.0] * self.classes, name="past")  # a row of zeros: not seen yet

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        self.past.check_index(fields["index"], "dataset_size")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        features = self.encoder(self.make_views(batch, step)[0], training=step.training)
        return {
            "features": keras.ops.stop_gradient(features),
            "logits": self.classify(features),
            "y": batch["y"],
            "index": batch["index"],
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, embeddings["y"]
        of_labels, labeled = label_losses(embeddings["logits"], labels)
        log_p = ops.log_softmax(as_float(embeddings["logits"]), axis=1)
        past = self.past.gather(embeddings["index"])
        seen = ops.cast(ops.not_equal(ops.sum(past, axis=1), 0.0), "float32")
        weight = self.final_weight * step.progress * seen
        # A sample without a past has a row of zeros. Of a label that is no class the cross-entropy is NaN.
        of_past = -ops.sum(ops.stop_gradient(past) * log_p, axis=1)
        return {
            "supervised": Term((1.0 - weight) * of_labels + weight * of_past, labeled),
            "past": Term(seen, None, 0.0),
            "accuracy": accuracy_term(embeddings["logits"], labels),
        }

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> tuple[str, ...]:
        return ("logits", "index")

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        probabilities = keras.ops.softmax(as_float(embeddings["logits"]), axis=1)
        self.past.update(embeddings["index"], probabilities, updated)
        return None
