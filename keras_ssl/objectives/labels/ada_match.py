"""AdaMatch."""

import math
from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.semi_supervised.align_distribution import align_distribution
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_share,
    mean_of_terms,
    pseudo_label_terms,
    supervised_terms,
    unlabeled_mean,
)
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2106.04732")
class AdaMatch(SemiSupervised):
    """AdaMatch: FixMatch for labeled and unlabeled samples of different kinds, such as two domains.

    The predictions q for the weak views of the unlabeled samples are `p(weak)`, scaled so that their mean in the batch
    is that of the labeled samples' predictions (distribution alignment). A sample is used where
    `max q >= threshold * c`, with c the mean of `max p(weak)` over the labeled samples (relative confidence). The loss
    is `CE(y, p(weak)) + CE(y, p(strong))`, mean over the labeled samples, plus `unlabeled_weight * r` times the mean
    over the unlabeled ones of `[used] CE(q, p(strong))`; q has no gradient. With `warmup`, r rises from 0 to 1 in the
    first half of the planned updates, `(1 - cos(min(pi, 2 pi t))) / 2`; where the end is not known, it is 1. The
    statistics are those of the global batch.

    Random logit interpolation, by which the paper makes logits with and without the other domain's batch statistics
    agree, is left out: it needs a pass of the labeled samples alone. The loss is the paper's; the authors' code for
    semi-supervised learning halves the supervised sum, takes `CE(argmax q, p(strong))`, and aligns to means over many
    batches. Where a batch has no labeled sample, no unlabeled
    one is used. Logged: `loss`, `supervised` (of the weak views), `supervised_strong`, `unsupervised`, `accuracy` of
    the labeled samples, `confident`: the share of unlabeled samples that are used, `precision`: the share of right
    ones among the pseudo-labels that labeled samples would get, `threshold`: `threshold * c`. A batch mixes labeled
    samples and unlabeled ones, whose label is -1, as for `FixMatch`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        threshold: relative to the confidence of labeled samples, in [0, 1]. Defaults to 0.9, the paper's.
        warmup: whether the weight of the unlabeled samples rises. Defaults to True, as in the paper.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.AdaMatch(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Berthelot et al., "AdaMatch: A Unified Approach to Semi-Supervised Learning and Domain Adaptation", ICLR 2022.
    """

    scope: ClassVar[str] = "batch"
    compares_with_labeled: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        threshold: float = 0.9,
        warmup: bool = True,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.threshold = check_share("threshold", threshold)
        self.warmup = bool(warmup)

    def _weight(self, step: Step) -> Tensor | float:
        if not self.warmup:
            return self.unlabeled_weight
        angle = keras.ops.minimum(2.0 * math.pi * step.progress, math.pi)
        rise = 0.5 - 0.5 * keras.ops.cos(angle)
        return self.unlabeled_weight * keras.ops.where(step.total_updates > 0, rise, keras.ops.ones_like(rise))

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, weak, labels = keras.ops, embeddings["weak"], embeddings["y"]
        p = ops.stop_gradient(ops.softmax(as_float(weak), axis=1))
        labeled = ops.cast(ops.not_equal(ops.cast(labels, "int32"), -1), "float32")
        count = ops.sum(labeled)
        of_labeled = ops.sum(labeled[:, None] * p, axis=0) / ops.maximum(count, 1.0)
        q = align_distribution(p, of_labeled, unlabeled_mean(p, labels)[0])
        least = self.threshold * ops.sum(labeled * ops.max(p, axis=1)) / ops.maximum(count, 1.0)
        used = ops.cast(ops.logical_and(ops.max(q, axis=1) >= least, count > 0), "float32")
        losses = -used * ops.sum(q * ops.log_softmax(as_float(embeddings["strong"]), axis=1), axis=1)
        loss, logs = mean_of_terms(
            {
                **supervised_terms(weak, labels),
                "supervised_strong": Term(*label_losses(embeddings["strong"], labels)),
                **pseudo_label_terms(losses, used, q, labels, self._weight(step)),
            }
        )
        return loss, {**logs, "threshold": least}
