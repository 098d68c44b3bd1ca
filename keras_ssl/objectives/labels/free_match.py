"""FreeMatch."""

from typing import Any, ClassVar

import keras

from keras_ssl.layers.running_mean import RunningMean
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.semi_supervised.class_thresholds import free_match_thresholds
from keras_ssl.losses.semi_supervised.fairness_loss import fairness_loss
from keras_ssl.losses.semi_supervised.weighted_pseudo_label_loss import weighted_pseudo_label_loss
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_share,
    check_weight,
    mean_of_terms,
    pseudo_label_terms,
    supervised_terms,
    unlabeled_mean,
)
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2205.07246")
class FreeMatch(SemiSupervised):
    """FreeMatch: FixMatch whose thresholds follow the model's own confidence.

    `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the unlabeled ones of
    `[max p(weak) >= T_c] CE(c, p(strong))` with `c = argmax p(weak)`, plus `fairness_weight` times
    `losses.fairness_loss` of the used samples. Running means over the unlabeled samples of the global batch give the
    thresholds: of the largest probability (t, at first 1/K), of the predictions (p, at first 1/K each), and of the
    pseudo-labels (h, at first 1/K each). `T_c = t * p_c / max p`. As in the authors' code the means take in a batch
    before its own loss is computed. An evaluation changes none and takes them as they are.

    Logged: `loss`, `supervised`, `unsupervised`, `fairness`, `accuracy` of the labeled samples, `confident`: the share
    of unlabeled samples that are used, `precision`: the share of right ones among the pseudo-labels that confident
    labeled samples would get, `threshold`: t. A batch mixes labeled samples and unlabeled ones, whose label is -1, as
    for `FixMatch`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        momentum: of the running means, in [0, 1]. Defaults to 0.999, the paper's; short runs want less.
        fairness_weight: weight of the fairness penalty, not negative. Defaults to 0.05; the paper takes 0.01 or 0.05.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.FreeMatch(keras_ssl.encoders.ConvNet(), classes=10, momentum=0.99)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Wang et al., "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning", ICLR 2023.
    """

    scope: ClassVar[str] = "batch"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "momentum": 0.9}
    stored_as: ClassVar[dict[str, str]] = {"momentum": "confidence.momentum"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        momentum: float = 0.999,
        fairness_weight: float = 0.05,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.fairness_weight = check_weight("fairness_weight", fairness_weight)
        even = [1.0 / self.classes] * self.classes
        check_share("momentum", momentum)
        self.confidence = RunningMean(even[:1], momentum, name="confidence")
        self.class_means = RunningMean(even, momentum, name="class_means")
        self.histogram = RunningMean(even, momentum, name="histogram")

    def _blended(self, embeddings: dict[str, Tensor], move: Any) -> tuple[Tensor, ...]:
        """The three running means with the batch taken in, where `move`."""
        ops, labels = keras.ops, embeddings["y"]
        probabilities = ops.softmax(as_float(embeddings["weak"]), axis=1)
        hits = ops.one_hot(ops.argmax(probabilities, axis=1), self.classes, dtype="float32")
        rows = ops.concatenate([ops.max(probabilities, axis=1, keepdims=True), probabilities, hits], axis=1)
        mean, present = unlabeled_mean(rows, labels)
        counted = ops.logical_and(present, move)
        parts = ops.split(mean, [1, 1 + self.classes])
        averages = (self.confidence, self.class_means, self.histogram)
        return tuple(average.blend(part, counted) for average, part in zip(averages, parts, strict=True))

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, weak, labels = keras.ops, embeddings["weak"], embeddings["y"]
        confidence, class_means, histogram = self._blended(embeddings, step.training)
        probabilities = ops.stop_gradient(ops.softmax(as_float(weak), axis=1))
        thresholds = free_match_thresholds(confidence[0], class_means)
        least = ops.take(thresholds, ops.argmax(probabilities, axis=1), axis=0)
        used = ops.cast(ops.max(probabilities, axis=1) >= least, "float32")
        losses = weighted_pseudo_label_loss(weak, embeddings["strong"], used)
        loss, logs = mean_of_terms(
            {
                **supervised_terms(weak, labels),
                **pseudo_label_terms(losses, used, weak, labels, self.unlabeled_weight),
            }
        )
        unlabeled = ops.cast(ops.equal(ops.cast(labels, "int32"), -1), "float32")
        fairness = fairness_loss(embeddings["strong"], used * unlabeled, class_means, histogram)
        return loss + self.fairness_weight * fairness, {**logs, "fairness": fairness, "threshold": confidence[0]}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> None:
        blended = self._blended(embeddings, updated)
        for average, value in zip((self.confidence, self.class_means, self.histogram), blended, strict=True):
            average.assign(value)
