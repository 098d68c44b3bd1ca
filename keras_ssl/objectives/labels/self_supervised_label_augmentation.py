"""SelfSupervisedLabelAugmentation."""

from collections.abc import Callable
from itertools import permutations
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.semi_supervised.joint_labels import aggregate_joint_logits, joint_labels
from keras_ssl.objectives.labels.semi_supervised import check_above
from keras_ssl.registry import register
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.labelled_model import LabelledModel, accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor

_COUNTS = {"rotations": 4, "colors": 6, "identity": 1}


@register("objective", family="labels", paper="https://arxiv.org/abs/1910.05872")
class SelfSupervisedLabelAugmentation(LabelledModel):
    """Self-supervised label augmentation: classify an image and the transformation that it went through at once.

    Each image is transformed in M ways (four rotations, or six orders of the color channels). One softmax over the
    `classes * M` joint labels `(y, j)`, numbered `y * M + j`, classifies them all: the loss of a sample is
    `(1 / M) sum_j CE((y, j), p(t_j(x)))`. In use, the logits of a class are the mean over j of those for `(y, j)` of
    the j-th transformed input. With `self_distillation` a second head learns these aggregated logits from the image as
    it is, `CE(y, single) + T^2 KL(softmax(aggregated / T) || softmax(single / T))` without a gradient through the
    aggregated ones, and predicts by one pass.

    Logged: `loss`, `joint`, with distillation `single` and `distillation`, and `accuracy`, of the logits that `predict`
    gives. Samples with the label -1 do not count.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes K.
        transforms: "rotations" (default), by 0, 90, 180 and 270 degrees, of square images; "colors", the orders of
            three channels; or "identity", which makes it an ordinary classifier.
        self_distillation: whether a head for single inputs is trained. Defaults to False.
        temperature: T of the distillation, positive. Defaults to 1, that of the authors' code.
        **kwargs: `views` (default: a crop and flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, or the encoder's input does not suit the transformations.

    Example:

    ```python
    model = keras_ssl.SelfSupervisedLabelAugmentation(keras_ssl.encoders.ConvNet(), classes=10)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Lee et al., "Self-supervised Label Augmentation via Input Transformations", ICML 2020.
    """

    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "self_distillation": True}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        transforms: str = "rotations",
        self_distillation: bool = False,
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_integer("classes", classes, 1)
        if transforms not in _COUNTS:
            raise ValueError(f"`transforms` must be one of {', '.join(_COUNTS)}. Received: transforms={transforms!r}")
        count = _COUNTS[transforms]
        # The classifier of the base has an output for each joint label.
        super().__init__(encoder, classes * count, **kwargs)
        self.classes = int(classes)
        self.transforms, self.count = transforms, count
        self.temperature = check_above("temperature", temperature)
        self.single = None
        shape = self.encoder_input_shape
        if transforms == "colors" and shape[-1] != 3:
            raise ValueError(f'`transforms="colors"` needs three channels. Received: encoder with input shape {shape}')
        if transforms == "rotations" and shape[1] != shape[2]:
            raise ValueError(f'`transforms="rotations"` needs squares. Received: encoder with input shape {shape}')
        if self_distillation:
            self.single = keras.layers.Dense(self.classes, name="single")
            self.single.build((None, self.feature_dim))

    @property
    def self_distillation(self) -> bool:
        return self.single is not None

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak])

    def transformed(self, images: Tensor) -> list[Tensor]:
        """The M transformed images of a batch `[N, H, W, C]`, the image as it is first."""
        ops = keras.ops
        if self.transforms == "colors":
            return [ops.stack([images[..., c] for c in order], axis=-1) for order in permutations(range(3))]
        quarter = ops.transpose(images, (0, 2, 1, 3))
        turned = [images, quarter[:, ::-1], images[:, ::-1, ::-1], quarter[:, :, ::-1]]
        return turned[: self.count]

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        inputs = self.transformed(self.make_views(batch, step)[0])
        features = self.encoder(join_views(inputs), training=step.training)
        first = part_views(features, self.count)[0]
        parts = part_views(self.classify(features), self.count)
        embeddings = {
            "features": keras.ops.stop_gradient(first),
            "joint": keras.ops.stack(parts, axis=1),
            "y": batch["y"],
        }
        return embeddings if self.single is None else {**embeddings, "single": self.single(first)}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, keras.ops.cast(embeddings["y"], "int32")
        joint = embeddings["joint"]
        losses, labeled = [], None
        for number in range(self.count):
            targets = joint_labels(labels, ops.full_like(labels, number), self.count)
            loss, labeled = label_losses(joint[:, number], targets)
            losses.append(loss)
        aggregated = aggregate_joint_logits(joint)
        terms = {"joint": Term(sum(losses) / float(self.count), labeled)}
        if self.single is None:
            return {**terms, "accuracy": accuracy_term(aggregated, labels)}
        single, t = as_float(embeddings["single"]), self.temperature
        target = ops.stop_gradient(ops.log_softmax(aggregated / t, axis=1))
        divergence = ops.sum(ops.exp(target) * (target - ops.log_softmax(single / t, axis=1)), axis=1)
        return {
            **terms,
            "single": Term(label_losses(single, labels)[0], labeled),
            "distillation": Term(t * t * divergence, labeled),
            "accuracy": accuracy_term(single, labels),
        }

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """The logits of `x`, `[N, classes]`: aggregated ones, or those of the head for single inputs."""
        if self.single is not None:
            return self.single(self.features(x, training=training))
        images = self.transformed(self.encoder_input(x))
        logits = [self.classify(self.encoder(image, training=training)) for image in images]
        return self.nan_outside(x, aggregate_joint_logits(keras.ops.stack(logits, axis=1)))
