"""FixMatch."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_share,
    pseudo_label_terms,
    supervised_terms,
)
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2001.07685")
class FixMatch(SemiSupervised):
    """FixMatch: labels for a few samples, confident predictions as labels for the others.

    `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the unlabeled ones of
    `[max p(weak) >= threshold] CE(argmax p(weak), p(strong))`. Logged: `loss`, `supervised`, `unsupervised`, `accuracy`
    of the labeled samples (of their weak view), `confident`: the share of unlabeled samples above the threshold,
    `precision`: the share of right ones among the pseudo-labels that confident labeled samples would get.

    A batch mixes labeled samples and unlabeled ones, whose label is -1: `keras_ssl.data.from_streams` makes such
    batches in a fixed ratio. All views of a batch pass the encoder together, sharing batch statistics, as in the
    authors' code. The authors evaluate an average of the weights: `keras.optimizers.SGD(..., use_ema=True)` keeps one.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        threshold: least confidence of a pseudo-label, in [0, 1]. Defaults to 0.95, the paper's.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: a crop and flip as the weak view, `keras_ssl.views.simclr()` as the strong one; the
            authors' strong view is RandAugment with Cutout), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.FixMatch(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    data = keras_ssl.data.from_streams(
        {"labeled": {"x": images, "y": labels}, "unlabeled": {"x": more_images}}, ratio=(1, 7), batch_size=256
    )
    model.fit(data, epochs=10)
    ```

    Reference:
        Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", NeurIPS 2020.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "threshold": 0.3}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        threshold: float = 0.95,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.threshold = check_share("threshold", threshold)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        weak, labels = embeddings["weak"], embeddings["y"]
        losses, confident = pseudo_label_loss(weak, embeddings["strong"], self.threshold)
        return {
            **supervised_terms(weak, labels),
            **pseudo_label_terms(losses, confident, weak, labels, self.unlabeled_weight),
        }
