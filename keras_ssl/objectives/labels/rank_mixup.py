"""RankMixup."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.robust.rank_mixup_loss import check_margin, mixup_ndcg_loss, mixup_ranking_loss
from keras_ssl.registry import register
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.labelled_model import LabelledModel, accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2308.11990")
class RankMixup(LabelledModel):
    """RankMixup: mixed images teach a classifier the order of confidences, which calibrates it.

    `CE(y, p(x))`, mean over the labeled samples, plus `weight` times the mean over all samples of a ranking loss:
    `mixup_ndcg_loss` of the image and `copies` mixed ones, or `mixup_ranking_loss`. Labels are never mixed, only
    compared: a copy's coefficient is `max(a, 1 - a)`, or 1 where both images are known to be of one class. Logged:
    `loss`, `supervised`, `ranking`, `accuracy`.

    Each copy has one `a` for the whole batch, drawn from Beta(concentration, concentration), and partners of its own.
    The image keeps the larger share. All images pass the encoder together, sharing batch statistics. With `weight=0`
    nothing is mixed: it is training by cross-entropy.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        ranking: "ndcg" or "margin". Defaults to "ndcg".
        copies: mixed images for each image, at least 1. Defaults to 3.
        weight: of the ranking loss, not negative. Defaults to 0.1, as in the authors' code.
        margin: of "margin", not negative. Defaults to 0.1, as in the authors' code.
        concentration: of the Beta distribution, a positive integer. Defaults to 1, uniform.
        **kwargs: `views` (default: a crop and flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    model = keras_ssl.RankMixup(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Noh et al., "RankMixup: Ranking-Based Mixup Training for Network Calibration", ICCV 2023.
    """

    monitor: ClassVar[str | None] = "features"
    view_count: ClassVar[int] = 1
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "copies": 2, "weight": 1.0}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        ranking: str = "ndcg",
        copies: int = 3,
        weight: float = 0.1,
        margin: float = 0.1,
        concentration: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, **kwargs)
        if ranking not in ("ndcg", "margin"):
            raise ValueError(f'`ranking` must be "ndcg" or "margin". Received: ranking={ranking!r}')
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"`weight` must be 0 or more, and finite. Received: weight={weight}")
        self.ranking, self.copies = ranking, check_integer("copies", copies, 1)
        self.weight, self.margin = float(weight), check_margin(margin)
        self.concentration = check_integer("concentration", concentration, 1)

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        view, labels = self.make_views(batch, step)[0], batch["y"]
        if not self.weight:
            features = self.encoder(view, training=step.training)
            return {"features": ops.stop_gradient(features), "raw": self.classify(features), "y": labels}
        inputs, coefficients = self.mix(view, labels, step)
        features = self.encoder(join_views([view, *inputs]), training=step.training)
        raw, *mixed = part_views(self.classify(features), 1 + self.copies)
        own = part_views(features, 1 + self.copies)[0]
        return {
            "features": ops.stop_gradient(own),
            "raw": raw,
            "mixed": ops.stack(mixed, axis=1),
            "coefficients": coefficients,
            "y": labels,
        }

    def mix(self, view: Tensor, labels: Tensor, step: Step) -> tuple[list[Tensor], Tensor]:
        """The mixed copies of a batch of encoder inputs, and their coefficients.

        Args:
            view: `[n, ...]`.
            labels: `[n]`; -1 is unlabeled.
            step: of the draws.

        Returns:
            `copies` tensors of the view's shape, and float32 `[n, copies]`.
        """
        ops = keras.ops
        everything = self.backend.gather({"view": view, "y": labels})
        count = ops.shape(everything["y"])[0]
        order = step.order(count)
        share = self.shares(step)
        inputs, coefficients = [], []
        for copy in range(self.copies):
            # One random order, from another place for each copy: other partners, and each serves once.
            partner = ops.take(order, (step.position + copy) % count)
            other = ops.cast(ops.take(everything["view"], partner, axis=0), "float32")
            a = share[copy]
            inputs.append(ops.cast(a * ops.cast(view, "float32") + (1.0 - a) * other, view.dtype))
            theirs = ops.take(everything["y"], partner)
            alike = ops.logical_and(ops.equal(labels, theirs), labels >= 0)
            alike = ops.logical_or(alike, ops.equal(ops.cast(partner, "int32"), ops.cast(step.position, "int32")))
            coefficients.append(ops.where(alike, ops.ones_like(a), a))
        return inputs, ops.stack(coefficients, axis=1)

    def shares(self, step: Step) -> Tensor:
        """The image's share in each copy, `[copies]`, in [1/2, 1]: the same for all samples of the step."""
        ops = keras.ops
        draws = step.shared_stream().uniform(shape=(self.copies, 2 * self.concentration - 1))[0]
        # The median of 2c - 1 uniform numbers is a draw from Beta(c, c).
        a = ops.sort(draws, axis=1)[:, self.concentration - 1]
        return ops.maximum(a, 1.0 - a)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        raw, labels = embeddings["raw"], embeddings["y"]
        supervised, labeled = label_losses(raw, labels)
        terms = {"supervised": Term(supervised, labeled), "accuracy": accuracy_term(raw, labels)}
        if self.weight:
            mixed, coefficients = embeddings["mixed"], embeddings["coefficients"]
            if self.ranking == "ndcg":
                ranking = mixup_ndcg_loss(raw, mixed, coefficients)
            else:
                ranking = mixup_ranking_loss(raw, mixed, coefficients, self.margin)
            terms["ranking"] = Term(ranking, None, self.weight)
        return terms
