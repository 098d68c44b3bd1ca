"""The base of objectives that learn to classify: logits, accuracy, one head that counts."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.training.check_labels import check_class_numbers
from keras_ssl.training.fields import Field
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


class LabelledModel(SSLModel):
    """An objective with a classifier on its encoder: `model(x)` and `predict` give logits, `features(x)` features.

    A subclass calls `classify` on features and returns, among its terms, `accuracy_term` to log the accuracy of the
    labeled samples. Labels are class numbers; -1 is an unlabeled sample.

    Args:
        encoder: a built `keras.Model` that maps a batch to features `[N, F]`.
        classes: number of classes, at least 2.
        **kwargs: as for `SSLModel`.

    Raises:
        ValueError: if `classes` is no integer of at least 2.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32", missing=-1)}
    scope: ClassVar[str] = "sample"
    without_labels: ClassVar[str | None] = "SimCLR"
    labeled_means: ClassVar[bool] = True
    """Whether a mean is taken over labeled samples, however many a batch holds."""

    def __init__(self, encoder: keras.Model, classes: int, **kwargs: Any) -> None:
        super().__init__(encoder, **kwargs)
        self.classes = check_integer("classes", classes, 2)
        self.classifier = keras.layers.Dense(self.classes, name="classifier")
        self.classifier.build((None, self.feature_dim))

    def classify(self, features: Tensor) -> Tensor:
        """The logits `[N, classes]` of features."""
        return self.classifier(features)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """The logits of `x`, `[N, classes]`."""
        return self.classify(self.features(x, training=training))

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        if batch.get("y") is None:
            return
        check_class_numbers(batch["y"], self.classes, "`classes` - 1 = ")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.classes)


def accuracy_term(logits: Tensor, labels: Tensor) -> Term:
    """The share of labeled samples that are classified correctly, as a term that is logged and not trained on.

    Args:
        logits: `[n, classes]`.
        labels: class numbers, `[n]`; -1 is unlabeled.
    """
    ops = keras.ops
    correct = ops.equal(ops.cast(ops.argmax(logits, axis=1), "int32"), ops.cast(labels, "int32"))
    return Term(as_float(ops.cast(correct, "float32")), ops.cast(labels >= 0, "float32"), 0.0)


def label_losses(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of each sample, and 1 for labeled samples, else 0: float32 `[n]` each.

    Args:
        logits: `[n, classes]`.
        labels: class numbers, `[n]`; -1 is unlabeled, with cross-entropy 0. Of a number that is no class, the
            cross-entropy is NaN: compiled code cannot raise.
    """
    ops = keras.ops
    labels = ops.cast(labels, "int32")
    last = logits.shape[1] - 1
    labeled = ops.cast(ops.not_equal(labels, -1), "float32")
    known = ops.clip(labels, 0, last)
    chosen = ops.take_along_axis(ops.log_softmax(as_float(logits), axis=1), known[:, None], axis=1)[:, 0]
    chosen = ops.where(ops.logical_or(labels < -1, labels > last), float("nan"), chosen)
    return -chosen * labeled, labeled
