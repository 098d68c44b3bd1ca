"""AdaWAC."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.objectives.labels.semi_supervised import SemiSupervised, check_weight
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import LabelledModel, accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2210.01891")
class AdaWAC(SemiSupervised):
    """AdaWAC: each sample has its own weights of the supervised loss and of the consistency of its views.

    The loss is the mean over the samples of `b1 CE(y, p(view 1)) + b2 AC`, with
    `AC = unlabeled_weight * sum_k (p(view 1)_k - p(view 2)_k)^2` and weights `b1 + b2 = 1` that belong to the sample.
    They begin at 1/2 each, and are moved after each step to make the sample's loss as large as they can, by mirror
    ascent: `b` becomes proportional to `b * exp(rate * (CE, AC))`, of the losses of this step. So
    `log(b1 / b2) = rate * sum over visits of (CE - AC)`, which is what the table keeps. A sample whose labels tell
    little moves to the consistency. A sample with the label -1 has b = (0, 1).

    The paper segments images and compares features of its encoder; here predictions are compared, and view 1 serves
    both losses. Logged: `loss`, `supervised` (mean CE of labeled samples), `consistency` (mean AC), `accuracy` of the
    labeled samples, `label_weight`: their mean b1. Batches have the numbers of their samples, `index`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        dataset_size: number of samples in the data set.
        rate: of the mirror ascent, not negative. Defaults to 1; 0 is an equal mix.
        unlabeled_weight: weight of the consistency, not negative. Defaults to 1.
        **kwargs: `views` (default: a crop and flip, twice), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, or (from `fit`) the data have more samples than the table.

    Example:

    ```python
    model = keras_ssl.AdaWAC(keras_ssl.encoders.ConvNet(), classes=10, dataset_size=len(images))
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Dong et al., "Adaptively Weighted Data Augmentation Consistency Regularization for Robust Optimization under
        Concept Shift", ICML 2023.
    """

    fields: ClassVar[dict[str, Field]] = {**LabelledModel.fields, "index": Field("int32")}
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "dataset_size": 40}
    stored_as: ClassVar[dict[str, str]] = {"dataset_size": "table.size"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        dataset_size: int,
        rate: float = 1.0,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        check_integer("dataset_size", dataset_size, 1)
        self.rate = check_weight("rate", rate)
        self.table = SampleTable(dataset_size, (0.0,), name="table")

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak, weak])

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        self.table.check_index(fields["index"], "dataset_size")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return {**super().embed(batch, step), "index": batch["index"]}

    def gathered_names(self, embeddings: Any) -> Sequence[str]:
        return ("weak", "strong", "y", "index")

    def _parts(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The supervised loss and the consistency of each sample, and 1 for labeled ones."""
        ops = keras.ops
        supervised, labeled = label_losses(embeddings["weak"], embeddings["y"])
        first, second = (ops.softmax(as_float(embeddings[name]), axis=1) for name in ("weak", "strong"))
        return supervised, self.unlabeled_weight * ops.sum(ops.square(first - second), axis=1), labeled

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, embeddings["y"]
        supervised, consistency, labeled = self._parts(embeddings)
        # In evaluation, whose samples are others, the mix is the one of the start.
        ratio = self.table.gather(embeddings["index"])[:, 0] if step.training else ops.zeros_like(supervised)
        weight = ops.stop_gradient(labeled * ops.sigmoid(ratio))
        return {
            "weighted": Term(weight * supervised + (1.0 - weight) * consistency),
            "supervised": Term(supervised, labeled, 0.0),
            "consistency": Term(consistency, None, 0.0),
            "label_weight": Term(weight, labeled, 0.0),
            "accuracy": accuracy_term(embeddings["weak"], labels),
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        supervised, consistency, labeled = self._parts(embeddings)
        ratio = self.table.gather(embeddings["index"])[:, 0]
        moved = ratio + self.rate * labeled * (supervised - consistency)
        self.table.update(embeddings["index"], moved[:, None], updated)
        return None
