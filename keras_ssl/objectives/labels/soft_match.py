"""SoftMatch."""

from typing import Any, ClassVar

import keras

from keras_ssl.layers.running_mean import RunningMean
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.semi_supervised.align_distribution import align_distribution
from keras_ssl.losses.semi_supervised.soft_match_weights import soft_match_weights
from keras_ssl.losses.semi_supervised.weighted_pseudo_label_loss import weighted_pseudo_label_loss
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_above,
    check_share,
    mean_of_terms,
    pseudo_label_terms,
    supervised_terms,
    unlabeled_mean,
)
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2301.10921")
class SoftMatch(SemiSupervised):
    """SoftMatch: every pseudo-label counts, with a weight that falls with its lack of confidence.

    `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the unlabeled ones of
    `w CE(argmax p(weak), p(strong))`. The weight is 1 where the confidence is above its running mean, and a Gaussian of
    the distance below it: see `losses.soft_match_weights`. With `alignment` the confidence is the largest entry of
    `normalize(p(weak) / mean p)` (uniform alignment); the pseudo-labels are those of `p(weak)` as it is.

    The running means of the predictions (at first 1/K each), of the confidence (at first 1/K) and its variance (at
    first 1; of a batch with the factor `B / (B - 1)`, and 0 of a single sample) are over the unlabeled samples of the
    global batch. As in the authors' code they take in a batch before its own loss is computed. An evaluation changes
    none.

    Logged: `loss`, `supervised`, `unsupervised`, `accuracy` of the labeled samples, `confident`: the mean weight of
    unlabeled samples, `precision`: the share of right ones among the pseudo-labels of labeled samples, weighted
    likewise, `confidence`: the running mean. A batch mixes labeled samples and unlabeled ones, whose label is -1, as
    for `FixMatch`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        momentum: of the running means, in [0, 1]. Defaults to 0.999, the paper's; short runs want less.
        deviations: as for `losses.soft_match_weights`. Defaults to 1, the paper's formula; the authors' code has 2.
        alignment: whether confidence is measured after uniform alignment. Defaults to True, as in the paper.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.SoftMatch(keras_ssl.encoders.ConvNet(), classes=10, momentum=0.99)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised Learning", ICLR 2023.
    """

    scope: ClassVar[str] = "batch"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "momentum": 0.9}
    stored_as: ClassVar[dict[str, str]] = {"momentum": "confidence.momentum"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        momentum: float = 0.999,
        deviations: float = 1.0,
        alignment: bool = True,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.deviations = check_above("deviations", deviations)
        self.alignment = bool(alignment)
        check_share("momentum", momentum)
        self.class_means = RunningMean([1.0 / self.classes] * self.classes, momentum, name="class_means")
        self.confidence = RunningMean([1.0 / self.classes, 1.0], momentum, name="confidence")

    def _blended(self, embeddings: dict[str, Tensor], move: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Confidence of each sample, and the running means (classes; confidence, its variance) with the batch."""
        ops, labels = keras.ops, embeddings["y"]
        probabilities = ops.stop_gradient(ops.softmax(as_float(embeddings["weak"]), axis=1))
        mean, present = unlabeled_mean(probabilities, labels)
        counted = ops.logical_and(present, move)
        class_means = self.class_means.blend(mean, counted)
        if self.alignment:
            even = ops.full((self.classes,), 1.0 / self.classes, "float32")
            probabilities = align_distribution(probabilities, even, class_means)
        confidence = ops.max(probabilities, axis=1)
        center, _ = unlabeled_mean(confidence, labels)
        spread, _ = unlabeled_mean(ops.square(confidence - center), labels)
        count = ops.sum(ops.cast(ops.equal(ops.cast(labels, "int32"), -1), "float32"))
        spread = spread * count / ops.maximum(count - 1.0, 1.0)
        return confidence, class_means, self.confidence.blend(ops.stack([center, spread]), counted)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        weak, labels = embeddings["weak"], embeddings["y"]
        confidence, _, moments = self._blended(embeddings, step.training)
        weights = soft_match_weights(confidence, moments[0], moments[1], self.deviations)
        losses = weighted_pseudo_label_loss(weak, embeddings["strong"], weights)
        loss, logs = mean_of_terms(
            {
                **supervised_terms(weak, labels),
                **pseudo_label_terms(losses, weights, weak, labels, self.unlabeled_weight),
            }
        )
        return loss, {**logs, "confidence": moments[0]}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> None:
        _, class_means, moments = self._blended(embeddings, updated)
        self.class_means.assign(class_means)
        self.confidence.assign(moments)
