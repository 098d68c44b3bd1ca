"""MaskedImageConsistency."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.semi_supervised.masked_consistency_loss import masked_consistency_loss
from keras_ssl.objectives.labels.semi_supervised import (
    PseudoTargets,
    TeacherClassifier,
    mean_of_terms,
    supervised_terms,
)
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import accuracy_term
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.functional.hide_patches import hide_patches
from keras_ssl.views.masks import RandomMask


@register("objective", family="labels", paper="https://arxiv.org/abs/2212.01322")
class MaskedImageConsistency(TeacherClassifier):
    """Masked image consistency: predict, from an image with patches withheld, what a teacher says of the whole one.

    `CE(y, p(x))`, mean over the labeled samples (of the source domain), plus `unlabeled_weight` times the mean over the
    unlabeled ones (of the target domain) of `q CE(argmax t(x), p(masked x))`. A momentum teacher gives the prediction t
    for the whole image. Without `threshold` the weight q is its confidence `max t`, as in the authors' code for
    classification; with one, q is the share of unlabeled samples of the global batch with a confidence above it, as for
    the pixels of segmentation. The masked image is the second view after preprocessing, with a share `mask_ratio` of
    its patches set to 0, exactly as many in every image. (The authors hide each with this probability.) Another loss
    for the target domain, which the paper adds, is none of this objective's.

    Logged: `loss`, `supervised`, `masked`, `accuracy` of the labeled samples, `confident`: the mean q of unlabeled
    samples, `precision`: the accuracy of the teacher on labeled samples, `momentum`. A batch mixes labeled samples and
    unlabeled ones, whose label is -1, as for `FixMatch`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        classes: number of classes.
        patch_size: side of a patch in pixels, a divisor of the image's sides. Defaults to 4; the paper takes 32 or 64
            for images of 224 pixels and more.
        mask_ratio: share of hidden patches, in [0, 1). Defaults to 0.7, the paper's; its classifiers take 0.5 to 0.7.
        threshold: in [0, 1]. Defaults to None: q is the confidence.
        momentum: of the teacher, in [0, 1]. Defaults to 0.999, the paper's; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        unlabeled_weight: weight of the masked images, not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, the encoder cannot be copied, or (in training) patches do not fit.

    Example:

    ```python
    model = keras_ssl.MaskedImageConsistency(keras_ssl.encoders.ConvNet(), classes=10, momentum=0.98)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`: source with labels, target without
    ```

    Reference:
        Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", CVPR 2023.
    """

    scope: ClassVar[str] = "batch"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "mask_ratio": 0.5, "momentum": 0.9}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        patch_size: int = 4,
        mask_ratio: float = 0.7,
        threshold: float | None = None,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.patch_size = check_integer("patch_size", patch_size, 1)
        if not 0.0 <= mask_ratio < 1.0:
            raise ValueError(f"`mask_ratio` must lie in [0, 1). Received: mask_ratio={mask_ratio}")
        self.mask_ratio = float(mask_ratio)
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise ValueError(f"`threshold` must lie in [0, 1] or be None. Received: threshold={threshold}")
        self.threshold = threshold
        self.add_teacher(momentum, final_momentum)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        whole, second = self.make_views(batch, step)[:2]
        grid = tuple(side // self.patch_size for side in second.shape[1:3])
        visible = RandomMask(self.mask_ratio)(step.stream(), grid)
        weak, masked = self.encode([whole, hide_patches(second, visible, self.patch_size)], step.training)
        return {
            "features": keras.ops.stop_gradient(weak),
            "weak": self.classify(weak),
            "strong": self.classify(masked),
            "teacher": self.teacher(whole, training=step.training),
            "y": batch["y"],
        }

    def _quality(self, embeddings: dict[str, Tensor]) -> Tensor:
        """The weight of the pseudo-label of each sample, `[n]`."""
        ops = keras.ops
        confidence = ops.stop_gradient(ops.max(ops.softmax(as_float(embeddings["teacher"]), axis=1), axis=1))
        if self.threshold is None:
            return confidence
        # The share is that of the target domain alone.
        unlabeled = ops.cast(ops.equal(ops.cast(embeddings["y"], "int32"), -1), "float32")
        sure = ops.cast(confidence > self.threshold, "float32")
        share = ops.sum(unlabeled * sure) / ops.maximum(ops.sum(unlabeled), 1.0)
        return ops.full_like(sure, 1.0) * share

    def pseudo_targets(self, embeddings: dict[str, Tensor], step: Step) -> PseudoTargets:
        return PseudoTargets(embeddings["teacher"], self._quality(embeddings))

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, teacher, labels = keras.ops, embeddings["teacher"], embeddings["y"]
        unlabeled = ops.cast(ops.equal(ops.cast(labels, "int32"), -1), "float32")
        quality = self._quality(embeddings)
        if self.threshold is None:
            losses = masked_consistency_loss(embeddings["strong"], teacher)
        else:
            whole = masked_consistency_loss(embeddings["strong"], teacher, 0.0)  # every sample is confident
            losses = whole * quality
        return mean_of_terms(
            {
                **supervised_terms(embeddings["weak"], labels),
                "masked": Term(losses, unlabeled, self.unlabeled_weight),
                "confident": Term(quality, unlabeled, 0.0),
                "precision": accuracy_term(teacher, labels),
            }
        )
