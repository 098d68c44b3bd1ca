"""ShrinkMatch."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.running_mean import RunningMean
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.semi_supervised.align_distribution import align_distribution
from keras_ssl.losses.semi_supervised.shrink_loss import shrink_loss
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
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor

_NONE_YET = -1.0


@register("objective", family="labels", paper="https://arxiv.org/abs/2308.06777")
class ShrinkMatch(SemiSupervised):
    """ShrinkMatch: FixMatch that also learns from uncertain samples, among fewer classes.

    `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the unlabeled ones of
    `[max p(weak) >= threshold] CE(p(weak), p(strong))`, with `p(weak)` itself as the target and without gradient, plus
    `shrink_weight * r` times the mean over the unlabeled ones of `losses.shrink_loss`: runners-up are removed until the
    first class is certain among those that are left, and the strong view is trained there, on the logits of an
    auxiliary head that is used for nothing else. r is a running mean of the share of certain samples, which begins with
    that of the first batch; as in the authors' code it takes in a batch before its own loss is computed.

    With `alignment` the predictions of the weak view are divided by their running mean and scaled to sum to 1. It
    begins even, and takes in a batch before its own loss is computed. (The authors average the last 32 batches.) All
    statistics are those of the unlabeled samples of the global batch; an evaluation changes none.

    Logged: `loss`, `supervised`, `unsupervised`, `shrink`, `accuracy` of the labeled samples, `confident`: the share of
    certain unlabeled samples, `shrunk`: the share of uncertain ones that count, `precision`: the share of right ones
    among the pseudo-labels that certain labeled samples would get, `certain`: r. A batch mixes labeled samples and
    unlabeled ones, whose label is -1, as for `FixMatch`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        threshold: least confidence, in [0, 1]. Defaults to 0.95, the paper's.
        shrink_weight: weight of the uncertain samples, not negative. Defaults to 1, the paper's.
        momentum: of the running means, in [0, 1]. Defaults to 0.999, the authors'; short runs want less.
        auxiliary: widths of the auxiliary head's hidden layers. Defaults to None: twice a quarter of F.
        alignment: whether the predictions are aligned. Defaults to False.
        unlabeled_weight: weight of the certain samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.ShrinkMatch(keras_ssl.encoders.ConvNet(), classes=10, momentum=0.99)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Yang et al., "Shrinking Class Space for Enhanced Certainty in Semi-Supervised Learning", ICCV 2023.
    """

    scope: ClassVar[str] = "batch"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "threshold": 0.4, "momentum": 0.9, "auxiliary": (8,)}
    stored_as: ClassVar[dict[str, str]] = {"momentum": "certain.momentum"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        threshold: float = 0.95,
        shrink_weight: float = 1.0,
        momentum: float = 0.999,
        auxiliary: Sequence[int] | None = None,
        alignment: bool = False,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.threshold = check_share("threshold", threshold)
        self.shrink_weight = check_weight("shrink_weight", shrink_weight)
        check_share("momentum", momentum)
        self.auxiliary = [max(self.feature_dim // 4, 1)] * 2 if auxiliary is None else [int(w) for w in auxiliary]
        self.auxiliary_head = MLPHead((*self.auxiliary, self.classes), output_bias=True, name="auxiliary")
        self.auxiliary_head.build((None, self.feature_dim))
        self.alignment = bool(alignment)
        self.certain = RunningMean((_NONE_YET,), momentum, name="certain")
        self.class_means = RunningMean([1.0 / self.classes] * self.classes, momentum, name="class_means")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        weak, strong = self.encode(self.make_views(batch, step)[:2], step.training)
        return {
            "features": keras.ops.stop_gradient(weak),
            "weak": self.classify(weak),
            "strong": self.classify(strong),
            "auxiliary": self.auxiliary_head(strong, training=step.training),
            "y": batch["y"],
        }

    def _blended(self, embeddings: dict[str, Tensor], move: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The predictions, and the running means (share of certain samples, classes) with the batch taken in."""
        ops, labels = keras.ops, embeddings["y"]
        p = ops.stop_gradient(ops.softmax(as_float(embeddings["weak"]), axis=1))
        mean, present = unlabeled_mean(p, labels)
        counted = ops.logical_and(present, move)
        class_means = self.class_means.blend(mean, counted)
        if self.alignment:
            p = align_distribution(p, ops.full((self.classes,), 1.0 / self.classes, "float32"), class_means)
        share, _ = unlabeled_mean(ops.cast(ops.max(p, axis=1) >= self.threshold, "float32"), labels)
        first = ops.logical_and(self.certain.contents < 0.0, counted)
        return p, ops.where(first, share[None], self.certain.blend(share[None], counted)), class_means

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, labels = keras.ops, embeddings["y"]
        p, certain, _ = self._blended(embeddings, step.training)
        certain = ops.maximum(certain[0], 0.0)
        used = ops.cast(ops.max(p, axis=1) >= self.threshold, "float32")
        losses = -used * ops.sum(p * ops.log_softmax(as_float(embeddings["strong"]), axis=1), axis=1)
        shrink, counted, _ = shrink_loss(p, embeddings["auxiliary"], self.threshold)
        unlabeled = ops.cast(ops.equal(ops.cast(labels, "int32"), -1), "float32")
        loss, logs = mean_of_terms(
            {
                **supervised_terms(embeddings["weak"], labels),
                **pseudo_label_terms(losses, used, p, labels, self.unlabeled_weight),
                "shrink": Term(shrink, unlabeled, self.shrink_weight * certain),
                "shrunk": Term(counted, unlabeled, 0.0),
            }
        )
        return loss, {**logs, "certain": certain}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> None:
        _, certain, class_means = self._blended(embeddings, updated)
        self.certain.assign(certain)
        self.class_means.assign(class_means)
