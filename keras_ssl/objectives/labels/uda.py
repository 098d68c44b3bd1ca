"""UDA."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.semi_supervised.uda_loss import SCHEDULES, signal_threshold, uda_loss
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_above,
    check_share,
    pseudo_label_terms,
    supervised_terms,
)
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/1904.12848")
class UDA(SemiSupervised):
    """UDA: predictions for a strongly augmented sample equal those for the sample itself.

    `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the unlabeled ones of
    `[max p(weak) >= threshold] KL(sharpen(p(weak)) || p(strong))`, where `sharpen` divides the logits by `temperature`
    and no gradient flows through the weak view. Logged: `loss`, `supervised`, `unsupervised`, `accuracy` of the
    labeled samples, `confident`: the share of unlabeled samples that are used, `precision`: the share of right ones
    among the pseudo-labels that confident labeled samples would get.

    With `annealing`, a labeled sample counts only while the probability of its class is at most a threshold that rises
    from 1/K to 1 over the planned updates; the mean is over the samples that count, as in the authors' code. Where the
    end of training is not known, the threshold stays at 1/K. A batch mixes labeled samples and unlabeled ones, whose
    label is -1, as for `FixMatch`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        temperature: sharpens the target below 1; positive. Defaults to 0.4, the paper's for images.
        threshold: least confidence, in [0, 1]. Defaults to 0.8, the paper's for CIFAR-10.
        annealing: "linear", "log" or "exp"; None (default) uses all labeled samples.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.UDA(keras_ssl.encoders.ConvNet(), classes=10, annealing="linear")
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Xie et al., "Unsupervised Data Augmentation for Consistency Training", NeurIPS 2020.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "threshold": 0.3}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        temperature: float = 0.4,
        threshold: float = 0.8,
        annealing: str | None = None,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.temperature = check_above("temperature", temperature)
        self.threshold = check_share("threshold", threshold)
        if annealing is not None and annealing not in SCHEDULES:
            raise ValueError(
                f"`annealing` must be one of {', '.join(SCHEDULES)} or None. Received: annealing={annealing!r}"
            )
        self.annealing = annealing

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        weak, labels = embeddings["weak"], embeddings["y"]
        losses, confident = uda_loss(weak, embeddings["strong"], self.temperature, self.threshold)
        terms = {
            **supervised_terms(weak, labels),
            **pseudo_label_terms(losses, confident, weak, labels, self.unlabeled_weight),
        }
        if self.annealing is not None and step.training:
            values, weights, _ = terms["supervised"]
            right = keras.ops.exp(-as_float(values))  # the probability of the class
            counted = right <= signal_threshold(step.progress, self.classes, self.annealing)
            # NaN, of a label that is no class, must stay in sight.
            counted = keras.ops.logical_or(counted, keras.ops.isnan(values))
            terms["supervised"] = Term(values, keras.ops.multiply(weights, keras.ops.cast(counted, "float32")))
        return terms
