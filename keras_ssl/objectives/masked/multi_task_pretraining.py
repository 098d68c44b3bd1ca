"""Masked images, contrast of views and labels on one encoder."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.losses.multi_label_loss import multi_label_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.objectives.masked.sim_mim import SimMIM
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="masked", paper="https://arxiv.org/abs/2310.07510")
class MultiTaskPretraining(SimMIM):
    r"""Train one encoder by three tasks: `SimMIM`, contrast between views (`SimCLR`) and several labels of an image.

    `reconstruction_weight * SimMIM + contrast_weight * NT-Xent + label_weight * binary cross-entropy`. The first view
    is masked and reconstructed; both views, whole, are compared through a projector; and a linear layer on the features
    of the first view, whole, predicts L labels, each true or not, `multi_label_loss`: mean over the known labels of a
    sample, then over samples with any. A batch holds them as `labels` `[N, L]`, numbers in [0, 1], negative where not
    known; or as `y`, class numbers, which stand for vectors with a single one (-1: unlabeled). A part with weight 0 is
    not computed, so that one weight alone gives the method that the part is from.

    Logged: `loss`, `reconstruction`, `contrast`, `label`, `label_accuracy` (share of known labels on the right side of
    1/2), `embedding_std` of the features of the masked image, or of the first view where nothing is masked.

    The projections of the global batch are gathered across replicas; the other parts are means over samples.

    The paper's weights, and its kind of contrast, were not to be had: both are this library's choice.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`.
        classes: number of labels L, at least 2.
        reconstruction_weight: not negative. Defaults to 1.
        contrast_weight: not negative. Defaults to 1.
        label_weight: not negative. Defaults to 1.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0 of NT-Xent. Defaults to 0.1.
        mask_ratio: share of hidden squares, in [0, 1). Defaults to 0.6.
        unit: side of a square in patches. Defaults to 2.
        **kwargs: `views` (default: `keras_ssl.views.simclr()` at the encoder's `image_size`), `preprocessing`, `seed`,
            `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer, an argument is out of range, or all weights are 0; from
            `fit`, if a label is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4, pooling="mean")
    model = keras_ssl.MultiTaskPretraining(encoder, classes=20, projector=(256, 64))
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit({"x": images, "labels": labels}, epochs=100)  # labels: zeros, ones, and -1 where not known
    ```

    Reference:
        Qian, "Heuristic Vision Pre-Training with Self-Supervised and Supervised Multi-Task Learning", 2023.
    """

    scope: ClassVar[str] = "both"
    view_count: ClassVar[int] = 2
    fields: ClassVar[dict[str, Field]] = {
        "labels": Field("float32", (None,), missing=-1.0),
        "y": Field("int32", missing=-1),
    }
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "projector": (24, 12), "mask_ratio": 0.5}
    stored_as: ClassVar[dict[str, str]] = {"projector": "projector.widths"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        reconstruction_weight: float = 1.0,
        contrast_weight: float = 1.0,
        label_weight: float = 1.0,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        mask_ratio: float = 0.6,
        unit: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, mask_ratio, unit, **kwargs)
        self.classes = check_integer("classes", classes, 2)
        self.reconstruction_weight = check_number("reconstruction_weight", reconstruction_weight, 0.0)
        self.contrast_weight = check_number("contrast_weight", contrast_weight, 0.0)
        self.label_weight = check_number("label_weight", label_weight, 0.0)
        if not self.reconstruction_weight + self.contrast_weight + self.label_weight:
            raise ValueError(
                "One of the weights must be greater than 0. Received: reconstruction_weight=0, contrast_weight=0, "
                "label_weight=0"
            )
        self.temperature = check_positive("temperature", temperature)
        self.projector = MLPHead(projector, output_norm="scale", name="projector")
        self.projector.build((None, self.feature_dim))
        self.label_layer = keras.layers.Dense(self.classes, name="label_layer")
        self.label_layer.build((None, self.feature_dim))
        if not self.reconstruction_weight:
            self.mask_token.trainable = False
        unused = (
            (self.reconstruction_weight, self.output_layer),
            (self.contrast_weight, self.projector),
            (self.label_weight, self.label_layer),
        )
        for weight, layer in unused:
            layer.trainable = bool(weight)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr(self.encoder.image_size)

    @property
    def compares_samples(self) -> bool:
        return bool(self.contrast_weight)

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        for name, low, high in (("labels", -np.inf, 1), ("y", -1, self.classes - 1)):
            if batch.get(name) is not None:
                labels = np.asarray(keras.ops.convert_to_numpy(batch[name]))
                wrong = ~((labels >= low) & (labels <= high))
                if wrong.any():
                    raise ValueError(
                        f"Labels must be at most {high}, and known ones at least 0. Received: {name}={labels[wrong][0]}"
                    )

    def label_vectors(self, batch: dict[str, Tensor]) -> Tensor:
        """The labels of a batch as `[N, L]`, negative where not known.

        Raises:
            ValueError: if there are labels, but not L of them.
        """
        ops, labels = keras.ops, batch["labels"]
        if labels.shape[1] == self.classes:
            return labels
        if labels.shape[1] != 1:
            raise ValueError(f"`labels` must have {self.classes} columns. Received: labels.shape={tuple(labels.shape)}")
        # There are none: those that stand for them have one column.
        y = ops.cast(batch["y"], "int32")
        known = ops.cast(y >= 0, "float32")[:, None]
        return known * ops.one_hot(y, self.classes, dtype="float32") - (1.0 - known)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, views = keras.ops, self.make_views(batch, step)
        made: dict[str, Tensor] = {}
        if self.reconstruction_weight:
            made = self.reconstruction(views[0], step)
        if self.contrast_weight:
            # Both views in one batch, as in SimCLR.
            features = self.encoder(join_views(views[:2]), training=step.training)
            made["z1"], made["z2"] = part_views(self.projector(features, training=step.training), 2)
            features = part_views(features, 2)[0]
        elif self.label_weight:
            features = self.encoder(views[0], training=step.training)
        if self.label_weight:
            made |= {"logits": self.label_layer(features), "labels": self.label_vectors(batch)}
        if "features" not in made:
            made["features"] = ops.stop_gradient(features)
        return made

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> Sequence[str]:
        return ("z1", "z2") if self.contrast_weight else ()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        if not self.contrast_weight:
            return keras.ops.zeros((), "float32"), {}
        contrast = nt_xent_loss(embeddings["z1"], embeddings["z2"], self.temperature)
        return self.contrast_weight * contrast, {"contrast": contrast}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        if self.reconstruction_weight:
            plain = super().sample_terms(embeddings, step)["reconstruction"]
            terms["reconstruction"] = Term(plain.values, None, self.reconstruction_weight)
        if self.label_weight:
            ops, logits, labels = keras.ops, embeddings["logits"], embeddings["labels"]
            losses, known = multi_label_loss(logits, labels)
            terms["label"] = Term(losses, known, self.label_weight)
            each = ops.cast(labels >= 0.0, "float32")
            right = ops.cast(ops.equal(logits > 0.0, labels > 0.5), "float32")
            share = ops.sum(each * right, axis=1) / ops.maximum(ops.sum(each, axis=1), 1.0)
            terms["label_accuracy"] = Term(share, known, 0.0)
        return terms
