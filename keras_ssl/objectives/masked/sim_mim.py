"""SimMIM."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.encoders.masked_tokens import check_mask_token_encoder, masked_tokens
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.losses.masked_errors import masked_absolute_error
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.masks.unit_mask import UnitMask


@register("objective", family="masked", paper="https://arxiv.org/abs/2111.09886")
class SimMIM(SSLModel):
    r"""SimMIM: a learned token stands for hidden patches; one linear layer predicts their pixels.

    A share `mask_ratio` of the image's squares of `unit` x `unit` patches is hidden. The encoder sees all places, with
    the mask token in the hidden ones. The loss is the mean absolute error of the hidden pixels, as the encoder is given
    them: `mean over hidden patches of mean over pixels of |prediction - target|`. Logged: `loss`, `reconstruction` (the
    same), `embedding_std` of the features of the masked image.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`, or a `Swin`, of which patches are here the places of the last map,
            32 pixels a side; then images must have sides that are multiples of it.
        mask_ratio: share of hidden squares, in [0, 1). Defaults to 0.6, the paper's.
        unit: side of a square in patches. Defaults to 2: the paper's 32 pixels with patches of 16; a `Swin`'s are 1.
        **kwargs: `views` (default: a random crop of .67 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.SimMIM(encoder)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", CVPR 2022.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    takes_maps: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"mask_ratio": 0.5}
    stored_as: ClassVar[dict[str, str]] = {"mask_ratio": "mask.ratio", "unit": "mask.unit"}

    def __init__(self, encoder: keras.Model, mask_ratio: float = 0.6, unit: int = 2, **kwargs: Any) -> None:
        check_mask_token_encoder(encoder, type(self).__name__, maps=self.takes_maps)
        super().__init__(encoder, **kwargs)
        self.mask = UnitMask(mask_ratio, unit)
        side, channels = getattr(encoder, "place_size", None) or encoder.patch_size, encoder.input_shape[-1]
        first = (encoder.get_layer("patch_embedding").output.shape[-1],)
        self.mask_token = self.add_weight(name="mask_token", shape=first, initializer=SmallNormal())
        self.output_layer = keras.layers.Dense(side**2 * channels, name="output_layer")
        self.output_layer.build((None, None, encoder.token_width))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(getattr(self.encoder, "usual_size", None) or self.encoder.image_size, 0.67)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return self.reconstruction(self.make_views(batch, step)[0], step)

    def reconstruction(self, images: Tensor, step: Step) -> dict[str, Tensor]:
        """What the loss compares: the predicted pixels of all patches of images, the pixels, and which are hidden."""
        hidden = self.mask.hidden(step.stream(), self.encoder.grid(images.shape))
        tokens = masked_tokens(self.encoder, images, hidden, self.mask_token)
        encoded = self.encoder.encode(tokens, training=step.training)
        return {
            "features": keras.ops.stop_gradient(self.encoder.pool(encoded)),
            "prediction": self.output_layer(encoded[:, self.encoder.prefix :]),
            "target": self.encoder.patches(images),
            "hidden": hidden,
            **self.token_measures(tokens, encoded, hidden),
        }

    def token_measures(self, tokens: Tensor, encoded: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        """What a subclass adds to the embeddings, of tokens before the first block and after the last: nothing."""
        return {}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        values = masked_absolute_error(embeddings["prediction"], embeddings["target"], embeddings["hidden"])
        return {"reconstruction": Term(values)}
