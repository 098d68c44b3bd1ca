"""A classifier by distances to prototypes that can be looked at."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.prototype_distances import PrototypeDistances
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.prototype_coverage_loss import prototype_coverage_loss
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import LabelledModel, accuracy_term, label_losses
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/1710.04806")
class PrototypeClassifier(LabelledModel):
    r"""An autoencoder with prototypes: the logits are a linear map of the distances to them, and a decoder shows them.

    With the features z of the encoder, their squared distances :math:`d_{ij} = |z_i - p_j|^2` to the prototypes, and
    the decoder g, the loss is the sum of

    - `class_weight` times the cross-entropy of the logits :math:`W d_i`, mean over the labeled samples;
    - `reconstruction_weight` times :math:`|g(z_i) - x_i|^2`, summed over the pixels in [0, 1], mean over the samples;
    - `prototype_weight` times :math:`R_1 = \operatorname{mean}_j \min_i d_{ij}`: each prototype near some sample;
    - `sample_weight` times :math:`R_2 = \operatorname{mean}_i \min_j d_{ij}`: each sample near some prototype.

    Logged: `loss`, `classification`, `reconstruction`, `r1`, `r2`, `accuracy` of the labeled samples. With
    `class_weight` 0 no labels are needed: it is an autoencoder with prototypes, and with R1 and R2 at 0 too a plain
    one. The minimum of R1 goes over the global batch.

    The decoder is a multilayer perceptron with a sigmoid at its end. Prototypes start uniform in [0, 1).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        prototypes: their number. Defaults to 15, the paper's for digits.
        decoder_widths: of the decoder's hidden layers. Defaults to `(256,)`.
        image_size: side of the (square) images in pixels. Defaults to None: that of the encoder's input.
        class_weight: not negative. Defaults to 20, the paper's.
        reconstruction_weight: not negative. Defaults to 1, the paper's.
        prototype_weight: not negative. Defaults to 1, the paper's.
        sample_weight: not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: the images as they are), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, or the size of the images is not known.

    Example:

    ```python
    model = keras_ssl.PrototypeClassifier(keras_ssl.encoders.ConvNet(input_shape=(16, 16, 3)), classes=10)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(images, labels, epochs=30)
    pictures = model.decoded_prototypes()  # [15, 16, 16, 3]
    ```

    Reference:
        Li et al., "Deep Learning for Case-Based Reasoning through Prototypes: A Neural Network that Explains Its
        Predictions", AAAI 2018.
    """

    scope: ClassVar[str] = "both"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {
        "classes": 4,
        "prototypes": 5,
        "decoder_widths": (8,),
        "image_size": 16,
        "reconstruction_weight": 0.05,
    }

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        prototypes: int = 15,
        decoder_widths: Sequence[int] = (256,),
        image_size: int | None = None,
        class_weight: float = 20.0,
        reconstruction_weight: float = 1.0,
        prototype_weight: float = 1.0,
        sample_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        # Not LabelledModel's: its classifier reads features, this one distances.
        SSLModel.__init__(self, encoder, **kwargs)
        self.classes = check_integer("classes", classes, 2)
        self.prototypes = check_integer("prototypes", prototypes, 1)
        self.decoder_widths = [check_integer("decoder_widths", width, 1) for width in decoder_widths]
        weights = {
            "class_weight": class_weight,
            "reconstruction_weight": reconstruction_weight,
            "prototype_weight": prototype_weight,
            "sample_weight": sample_weight,
        }
        for name, value in weights.items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"`{name}` must be finite and not negative. Received: {name}={value}")
            setattr(self, name, float(value))
        shape = self.encoder_input_shape
        if self.takes_columns or len(shape) != 4 or shape[-1] is None:
            raise ValueError(f"`encoder` must take images. Received: encoder with input shape {shape}")
        self.image_size = None if image_size is None else check_integer("image_size", image_size, 1)
        sides = shape[1:3] if self.image_size is None else (self.image_size, self.image_size)
        if sides[0] is None or sides[1] is None:
            raise ValueError("`image_size` must be given where the encoder takes any size. Received: image_size=None")
        self.image_shape = (int(sides[0]), int(sides[1]), int(shape[-1]))
        self.distances = PrototypeDistances(self.prototypes, name="distances")
        self.distances.build((None, self.feature_dim))
        self.classifier = keras.layers.Dense(self.classes, use_bias=False, name="classifier")
        self.classifier.build((None, self.prototypes))
        widths = [*self.decoder_widths, math.prod(self.image_shape)]
        self.decoder = MLPHead(widths, batch_norm=False, output_bias=True, dtype=self.dtype_policy, name="decoder")
        self.decoder.build((None, self.feature_dim))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([view_ops.Identity()])

    def classify(self, features: Tensor) -> Tensor:
        return self.classifier(self.distances(features))

    def decode(self, features: Tensor) -> Tensor:
        """Images `[N, H, W, C]` in [0, 1] of features `[N, F]`."""
        pixels = keras.ops.sigmoid(as_float(self.decoder(features)))
        return keras.ops.reshape(pixels, (-1, *self.image_shape))

    def decoded_prototypes(self) -> np.ndarray:
        """What the prototypes look like: images `[P, H, W, C]` in [0, 1], float32."""
        return np.asarray(keras.ops.convert_to_numpy(self.decode(self.distances.prototypes)), "float32")

    @property
    def needs_labels(self) -> bool:
        """False with `class_weight` 0: an autoencoder with prototypes needs none."""
        return self.class_weight > 0

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        image, prepared = self.view_pairs(batch, step)[0]
        if tuple(image.shape[1:]) != self.image_shape:
            raise ValueError(f"Images must be of shape {self.image_shape}. Received: shape {tuple(image.shape[1:])}")
        features = self.encoder(prepared, training=step.training)
        distances = self.distances(features)
        return {
            "features": keras.ops.stop_gradient(features),
            "distances": distances,
            "logits": self.classifier(distances),
            "errors": keras.ops.sum(keras.ops.square(self.decode(features) - as_float(image)), axis=(1, 2, 3)),
            "y": batch["y"],
        }

    def gathered_names(self, embeddings: Any) -> Sequence[str]:
        return ("distances",)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        first, _ = prototype_coverage_loss(embeddings["distances"])
        return self.prototype_weight * first, {"r1": first}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        logits, labels = embeddings["logits"], embeddings["y"]
        losses, labeled = label_losses(logits, labels)
        nearest = keras.ops.min(embeddings["distances"], axis=1)
        return {
            "classification": Term(losses, labeled, self.class_weight),
            "reconstruction": Term(embeddings["errors"], None, self.reconstruction_weight),
            "r2": Term(nearest, None, self.sample_weight),
            "accuracy": accuracy_term(logits, labels),
        }
