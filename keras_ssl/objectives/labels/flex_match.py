"""FlexMatch."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.semi_supervised.class_thresholds import MAPPINGS, flex_match_thresholds
from keras_ssl.losses.semi_supervised.weighted_pseudo_label_loss import weighted_pseudo_label_loss
from keras_ssl.objectives.labels.semi_supervised import (
    SemiSupervised,
    check_share,
    pseudo_label_terms,
    supervised_terms,
)
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import LabelledModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor

_UNUSED, _LABELED = -1.0, -2.0


@register("objective", family="labels", paper="https://arxiv.org/abs/2110.08263")
class FlexMatch(SemiSupervised):
    """FlexMatch: FixMatch with a lower threshold for classes that are learned late.

    `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the unlabeled ones of
    `[max p(weak) >= T_c] CE(c, p(strong))` with `c = argmax p(weak)`. The threshold `T_c = M(beta_c) * threshold`
    depends on how many samples have the class c as their last prediction above `threshold`:
    `beta_c = n_c / max(max n, unused)`, where `unused` counts the samples that never had one (only with `warmup`). See
    `losses.flex_match_thresholds`. The predictions are kept in a table by sample number, which an update changes after
    the loss is computed, as in the authors' code. Logged: `loss`, `supervised`, `unsupervised`, `accuracy` of the
    labeled samples, `confident`: the share of unlabeled samples that are used, `precision`: the share of right ones
    among the pseudo-labels that confident labeled samples would get, `threshold`: the mean of `T_c`.

    A batch mixes labeled samples and unlabeled ones, whose label is -1, and has their numbers, `index`:
    `keras_ssl.data.from_streams` makes such batches. A labeled sample is taken out of the count of unused ones when
    training first sees it.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        dataset_size: number of samples of all streams, labeled ones too.
        threshold: of the class that is learned best, in [0, 1]. Defaults to 0.95, the paper's.
        mapping: M: "convex" (default, the paper's), "linear" or "concave".
        warmup: whether unused samples lower all thresholds at the start. Defaults to True, as in the paper.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, or (from `fit`) the data have more samples than the table.

    Example:

    ```python
    model = keras_ssl.FlexMatch(keras_ssl.encoders.ConvNet(), classes=10, dataset_size=len(labels) + len(more_images))
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Zhang et al., "FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling", NeurIPS 2021.
    """

    fields: ClassVar[dict[str, Field]] = {**LabelledModel.fields, "index": Field("int32")}
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "dataset_size": 40, "threshold": 0.3}
    stored_as: ClassVar[dict[str, str]] = {"dataset_size": "table.size"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        dataset_size: int,
        threshold: float = 0.95,
        mapping: str = "convex",
        warmup: bool = True,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        check_integer("dataset_size", dataset_size, 1)
        self.threshold = check_share("threshold", threshold)
        if mapping not in MAPPINGS:
            raise ValueError(f"`mapping` must be one of {', '.join(MAPPINGS)}. Received: mapping={mapping!r}")
        self.mapping = mapping
        self.warmup = bool(warmup)
        self.table = SampleTable(dataset_size, (_UNUSED,), name="table")

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        self.table.check_index(fields["index"], "dataset_size")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return {**super().embed(batch, step), "index": batch["index"]}

    def gathered_names(self, embeddings: Any) -> Sequence[str]:
        return ("weak", "y", "index")

    @property
    def thresholds(self) -> Tensor:
        """The threshold of each class as it is now, `[classes]`."""
        ops, last = keras.ops, self.table.contents[:, 0]
        counts = ops.sum(ops.cast(ops.equal(last[:, None], ops.arange(self.classes, dtype="float32")), "float32"), 0)
        unused = ops.sum(ops.cast(ops.equal(last, _UNUSED), "float32")) if self.warmup else 0.0
        return flex_match_thresholds(counts, unused, self.threshold, self.mapping)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, weak, labels = keras.ops, embeddings["weak"], embeddings["y"]
        probabilities = ops.stop_gradient(ops.softmax(as_float(weak), axis=1))
        least = ops.take(self.thresholds, ops.argmax(probabilities, axis=1), axis=0)
        used = ops.cast(ops.max(probabilities, axis=1) >= least, "float32")
        losses = weighted_pseudo_label_loss(weak, embeddings["strong"], used)
        return {
            **supervised_terms(weak, labels),
            **pseudo_label_terms(losses, used, weak, labels, self.unlabeled_weight),
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        ops, index = keras.ops, embeddings["index"]
        probabilities = ops.softmax(as_float(embeddings["weak"]), axis=1)
        label = ops.cast(ops.argmax(probabilities, axis=1), "float32")
        confident = ops.max(probabilities, axis=1) >= self.threshold
        last = ops.where(confident, label, self.table.gather(index)[:, 0])
        last = ops.where(ops.cast(embeddings["y"], "int32") >= 0, _LABELED, last)
        thresholds = self.thresholds
        self.table.update(index, last[:, None], updated)
        return {"threshold": ops.mean(thresholds)}
