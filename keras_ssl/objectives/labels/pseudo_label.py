"""PseudoLabel."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_share,
    pseudo_label_terms,
    supervised_terms,
)
from keras_ssl.registry import register
from keras_ssl.schedules.ramp_up import ramp_up
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register(
    "objective",
    family="labels",
    paper="https://www.kaggle.com/blobs/download/forum-message-attachment-files/746/pseudo_label_final.pdf",
)
class PseudoLabel(SemiSupervised):
    """Pseudo-Label: a classifier's own predictions are the labels of the samples that have none.

    `CE(y, p)`, mean over the labeled samples, plus `unlabeled_weight * r` times the mean over the unlabeled ones of
    `[max p >= threshold] CE(argmax p, p)`. One view of each sample is used. The factor r rises linearly from 0 to 1
    over the first `warmup_steps` updates. Logged: `loss`, `supervised`, `unsupervised`, `accuracy` of the labeled
    samples, `confident`: the share of unlabeled samples that are used, `precision`: the share of right ones among the
    pseudo-labels that confident labeled samples would get.

    A batch mixes labeled samples and unlabeled ones, whose label is -1, as for `FixMatch`. The paper uses all
    pseudo-labels, `threshold=0`; later comparisons keep the confident ones, which is the default here.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        threshold: least confidence of a pseudo-label, in [0, 1]. Defaults to 0.95; the paper's is 0.
        warmup_steps: number of updates in which the weight rises. Defaults to 0: it is whole from the start.
        unlabeled_weight: weight of the unlabeled samples after the rise, not negative. Defaults to 1; the paper's is 3.
        **kwargs: `views` (default: a crop and flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.PseudoLabel(keras_ssl.encoders.ConvNet(), classes=10, warmup_steps=500)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks", ICML
        Workshop 2013.
    """

    view_count: ClassVar[int] = 1
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "threshold": 0.3}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        threshold: float = 0.95,
        warmup_steps: int = 0,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.threshold = check_share("threshold", threshold)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        features = self.encoder(self.make_views(batch, step)[0], training=step.training)
        return {
            "features": keras.ops.stop_gradient(features),
            "logits": self.classify(features),
            "y": batch["y"],
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        logits, labels = embeddings["logits"], embeddings["y"]
        losses, confident = pseudo_label_loss(logits, logits, self.threshold)
        weight = self.unlabeled_weight
        coefficient = weight * ramp_up(step.updates, self.warmup_steps) if self.warmup_steps else weight
        return {
            **supervised_terms(logits, labels),
            **pseudo_label_terms(losses, confident, logits, labels, coefficient),
        }
