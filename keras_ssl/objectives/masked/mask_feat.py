"""MaskFeat."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.encoders.masked_tokens import check_mask_token_encoder, masked_tokens
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.losses.hog_targets import hog_targets
from keras_ssl.losses.masked_pixel_loss import masked_pixel_loss
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.masks.ratio_mask import RatioMask


@register("objective", family="masked", paper="https://arxiv.org/abs/2112.09133")
class MaskFeat(SSLModel):
    r"""MaskFeat: a learned token stands for hidden patches; one linear layer predicts their gradient histograms.

    A share `mask_ratio` of the patches is hidden, as one block or at random. The encoder sees all places, with the mask
    token in the hidden ones. The targets are histograms of oriented gradients (`hog_targets`), each color channel by
    itself, of `cells` x `cells` cells of a patch. The loss is the squared error of the hidden patches,
    `mean over hidden patches of mean over the histograms' entries of (prediction - target)^2`. Histograms do not change
    with the brightness or the contrast of a channel. Logged: `loss`, `reconstruction` (the same), `embedding_std` of
    the features of the masked image.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`, whose patches' side `cells` divides.
        mask_ratio: share of hidden patches, in [0, 1). Defaults to 0.4, the paper's.
        mask_shape: "block" (default) or "random", as for `RatioMask`; the authors put several blocks together.
        cells: cells along the side of a patch. Defaults to 2: the paper's 8 pixels, with patches of 16.
        bins: of half a turn. Defaults to 9, the paper's.
        soft: whether a gradient counts for the two bins nearest to it, and not for one. Defaults to True; the authors'
            code has False (see `hog_targets`).
        **kwargs: `views` (default: a random crop of .5 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.MaskFeat(encoder)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Wei et al., "Masked Feature Prediction for Self-Supervised Visual Pre-Training", CVPR 2022.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"mask_ratio": 0.5}
    stored_as: ClassVar[dict[str, str]] = {"mask_shape": "mask.shape"}

    def __init__(
        self,
        encoder: keras.Model,
        mask_ratio: float = 0.4,
        mask_shape: str = "block",
        cells: int = 2,
        bins: int = 9,
        soft: bool = True,
        **kwargs: Any,
    ) -> None:
        check_mask_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        ratio = check_number("mask_ratio", mask_ratio, 0.0, 1.0)
        self.mask = RatioMask((ratio, ratio), 1.0, mask_shape)
        self.cells, self.bins = check_integer("cells", cells, 1), check_integer("bins", bins, 1)
        if encoder.patch_size % self.cells:
            raise ValueError(f"`cells` must divide the patch's side, {encoder.patch_size}. Received: cells={cells}")
        self.soft = bool(soft)
        width, channels = encoder.token_width, encoder.input_shape[-1]
        self.mask_token = self.add_weight(name="mask_token", shape=(width,), initializer=SmallNormal())
        self.output_layer = keras.layers.Dense(self.cells**2 * channels * self.bins, name="output_layer")
        self.output_layer.build((None, None, width))

    @property
    def mask_ratio(self) -> float:
        return self.mask.ratio[0]

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(self.encoder.image_size, 0.5)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        images = self.make_views(batch, step)[0]
        _, _, hidden = self.mask.draw_times(step.stream(), self.encoder.grid(images.shape))
        tokens = masked_tokens(self.encoder, images, hidden, self.mask_token)
        encoded = self.encoder.encode(tokens, training=step.training)
        return {
            "features": keras.ops.stop_gradient(self.encoder.pool(encoded)),
            "prediction": self.output_layer(encoded[:, self.encoder.prefix :]),
            "target": hog_targets(images, self.encoder.patch_size, self.cells, self.bins, self.soft),
            "hidden": hidden,
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        values = masked_pixel_loss(embeddings["prediction"], embeddings["target"], embeddings["hidden"])
        return {"reconstruction": Term(values)}
