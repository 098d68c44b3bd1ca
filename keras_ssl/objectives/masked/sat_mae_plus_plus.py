"""SatMAE++."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.encoders.group_tokens import group_patches, merged_patches
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.layers.gelu import gelu
from keras_ssl.layers.upsampling_block import UpsamplingBlock
from keras_ssl.losses.masked_pixel_loss import normalized_patches
from keras_ssl.losses.multi_scale_loss import grouped_pixel_loss, image_absolute_error
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.objectives.masked.mae import MAE
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.masks import hidden_tokens

_WIDENING = 4  # channels of the maps that are enlarged, over those of the image


@register("objective", family="masked", paper="https://arxiv.org/abs/2403.05419")
class SatMAEPlusPlus(MAE):
    r"""SatMAE++: a masked autoencoder of channel groups that reconstructs images at twice and four times the size too.

    The encoder sees the image at its smallest size: each view is halved `scales - 1` times by means of 2 x 2 pixels.
    With a `ChannelGroupViT` there is a token for each patch of each group of channels, and each is hidden by itself. As
    in `MAE`, a decoder predicts the pixels of the hidden tokens, and the first part of the loss is their mean squared
    error, `grouped_pixel_loss`. The predicted patches, hidden or not, are put together to an image. Convolutions
    (`keras_ssl.layers.UpsamplingBlock`) double its size once for each further scale; there the loss is the mean
    absolute error of all pixels of the view at that size, of which the mean over scales is added:
    `hidden + (1 / (scales - 1)) * sum over s of |prediction_s - view_s|`. Logged: `loss`, `reconstruction` (of the
    hidden tokens), `scale2`, `scale4` ..., `embedding_std`.

    With one scale and a `ViT` this is `MAE`. The loss is a mean over samples: nothing is gathered across replicas.

    Args:
        encoder: a built `keras_ssl.encoders.ChannelGroupViT` or `ViT`.
        scales: number of sizes, at least 1. Defaults to 3, the paper's. A view has `2^(scales - 1)` times the
            encoder's `image_size`.
        same_places: whether a place is hidden in all groups or in none. Defaults to False: each token by itself.
        mask_ratio: share of hidden tokens, in [0, 1). Defaults to 0.75, the paper's.
        decoder_width: width of the decoder, a multiple of 4. Defaults to 512, the paper's.
        decoder_depth: blocks of the decoder. Defaults to 8, the paper's.
        decoder_heads: heads of the decoder. Defaults to 16, the paper's.
        normalize_targets: whether the patches of hidden tokens are normalized; with one scale only, because images are
            put together from them. Defaults to False, as in the authors' code.
        **kwargs: `views` (default: a random crop of .2 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    In the authors' code the decoder's embedding of a group is fixed and stands beside that of the place; here it is
    learned and added. Their smaller images are resized by another kernel.

    Raises:
        ValueError: if the encoder has no patches, an argument is out of range, or (when called) images are not square
            or cannot be halved so often.

    Example:

    ```python
    encoder = keras_ssl.encoders.ChannelGroupViT([[0, 1, 2], [3, 4, 5, 6]], "Ti", patch_size=8, image_size=96)
    model = keras_ssl.SatMAEPlusPlus(encoder, decoder_width=128, decoder_depth=2, decoder_heads=4)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)  # [N, H, W, 7]
    ```

    Reference:
        Noman et al., "Rethinking Transformers Pre-training for Multi-Spectral Satellite Imagery", CVPR 2024.
    """

    tiny: ClassVar[dict[str, Any] | None] = {
        "scales": 2,
        "decoder_width": 16,
        "decoder_depth": 1,
        "decoder_heads": 2,
    }
    stored_as: ClassVar[dict[str, str]] = {"scales": "_scales"}

    def __init__(
        self,
        encoder: keras.Model,
        scales: int = 3,
        same_places: bool = False,
        mask_ratio: float = 0.75,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        normalize_targets: bool = False,
        **kwargs: Any,
    ) -> None:
        # Read by `default_views` and `add_outputs`, which the base calls.
        self._scales = check_integer("scales", scales, 1)
        if not hasattr(encoder, "patch_size") or not hasattr(encoder, "encode"):
            raise ValueError(
                f"`encoder` must be a vision transformer for {type(self).__name__}, such as "
                f"keras_ssl.encoders.ChannelGroupViT. Received: {type(encoder).__name__}"
            )
        if normalize_targets and self._scales > 1:
            raise ValueError(
                "`normalize_targets` must be False where there is more than one scale. "
                f"Received: normalize_targets={normalize_targets}, scales={scales}"
            )
        super().__init__(encoder, mask_ratio, decoder_width, decoder_depth, decoder_heads, normalize_targets, **kwargs)
        self.same_places = bool(same_places)

    @property
    def scales(self) -> int:
        """Number of sizes at which images are reconstructed."""
        return self._scales

    @property
    def channel_groups(self) -> tuple[tuple[int, ...], ...]:
        """The channels of each group; one group of all where the encoder has none."""
        whole = (tuple(range(self.encoder.input_shape[-1])),)
        return getattr(self.encoder, "channel_groups", whole)

    def add_outputs(self, channels: int) -> None:
        if len(self.channel_groups) == 1:
            super().add_outputs(channels)
        else:
            self.group_outputs = []
            for number, group in enumerate(self.channel_groups, start=1):
                layer = keras.layers.Dense(self.encoder.patch_size**2 * len(group), name=f"decoder_output{number}")
                layer.build((None, None, self.decoder_width))
                self.group_outputs.append(layer)
            self.decoder_group_embedding = self.add_weight(
                name="decoder_group_embedding",
                shape=(len(self.channel_groups), self.decoder_width),
                initializer=SmallNormal(),
            )
        if self._scales > 1:
            width = _WIDENING * channels
            self.widening = keras.layers.Dense(width, activation=gelu, name="widening")
            self.widening_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="widening_norm")
            self.upsampling = [
                UpsamplingBlock(channels, name=f"upsampling{number}") for number in range(1, self._scales)
            ]
            self.widening.build((None, None, None, channels))
            for layer in (self.widening_norm, *self.upsampling):
                layer.build((None, None, None, width))

    def default_views(self) -> Callable[..., list[Tensor]]:
        size = self.encoder.image_size * 2 ** (self._scales - 1)
        return crop_and_flip(size, 0.2)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Images at all sizes, the smallest first: `[N, S, S, C]`, `[N, 2S, 2S, C]` ...

        Raises:
            ValueError: if images are not square, or cannot be halved into whole patches.
        """
        height, width = images.shape[1:3]
        least = self.encoder.patch_size * 2 ** (self._scales - 1)
        if height != width or (self._scales > 1 and height % least):
            raise ValueError(
                f"The images of {type(self).__name__} must be square, with a side that is a multiple of {least}. "
                f"Received: {height} x {width} pixels"
            )
        sizes = [images]
        for _ in range(self._scales - 1):
            sizes.insert(0, _halved(sizes[0]))
        return sizes

    def keep_tokens(self, step: Step, grid: tuple[int, int]) -> Tensor:
        """The numbers of the visible tokens of all groups, int32 `[N, K]`, ascending."""
        ops, groups, places = keras.ops, len(self.channel_groups), grid[0] * grid[1]
        if not self.same_places or groups == 1:
            return self.mask(step.stream(), grid if groups == 1 else (groups, *grid))
        keep = self.mask(step.stream(), grid)
        return ops.concatenate([keep + number * places for number in range(groups)], axis=1)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, groups, side = keras.ops, self.channel_groups, self.encoder.patch_size
        sizes = self.pyramid(self.make_views(batch, step)[0])
        images = sizes[0]
        grid = (images.shape[1] // side, images.shape[2] // side)
        keep = self.keep_tokens(step, grid)
        encoded = self.encoder.encode(self.encoder.tokens(images), keep, training=step.training)
        targets = group_patches(images, groups, side)
        predictions = self.group_predictions(encoded, keep, grid)
        made = {
            "features": ops.stop_gradient(self.encoder.pool(encoded)),
            "hidden": hidden_tokens(keep, (len(groups) * grid[0] * grid[1],)),
        }
        for number, (prediction, target) in enumerate(zip(predictions, targets, strict=True), start=1):
            made[f"prediction{number}"] = prediction
            made[f"target{number}"] = normalized_patches(target) if self.normalize_targets else target
        for number, (image, whole) in enumerate(zip(self.enlarged(predictions, grid), sizes[1:], strict=True), start=1):
            made |= {f"image{2**number}": image, f"view{2**number}": whole}
        return made

    def group_predictions(self, encoded: Tensor, keep: Tensor, grid: tuple[int, int]) -> list[Tensor]:
        """The predicted pixels of all patches of each group, `[N, T, P^2 * len(group)]`.

        Args:
            encoded: the encoder's tokens, `[N, prefix + K, D]`.
            keep: numbers of the visible tokens, int32 `[N, K]`.
            grid: rows and columns of the patches.
        """
        if len(self.channel_groups) == 1:
            return [self.decode(encoded, keep, grid)]
        ops, places = keras.ops, grid[0] * grid[1]
        positions = ops.convert_to_tensor(sincos_positions(grid[0], self.decoder_width)[1:])
        embedding = ops.cast(self.decoder_group_embedding, positions.dtype)
        table = ops.reshape(positions[None] + embedding[:, None], (-1, self.decoder_width))
        x = self.decoded(encoded, keep, table)
        return [layer(x[:, number * places : (number + 1) * places]) for number, layer in enumerate(self.group_outputs)]

    def enlarged(self, predictions: list[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        """The images predicted at each further size, `[N, 2S, 2S, C]`, `[N, 4S, 4S, C]` ..."""
        if self._scales == 1:
            return []
        image = merged_patches(predictions, self.channel_groups, self.encoder.patch_size, grid)
        x, images = self.widening_norm(self.widening(image)), []
        for block in self.upsampling:
            x, larger = block(x)
            images.append(larger)
        return images

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        numbers = range(1, len(self.channel_groups) + 1)
        predictions, targets = ([embeddings[f"{kind}{n}"] for n in numbers] for kind in ("prediction", "target"))
        terms = {"reconstruction": Term(grouped_pixel_loss(predictions, targets, embeddings["hidden"]))}
        for number in range(1, self._scales):
            error = image_absolute_error(embeddings[f"image{2**number}"], embeddings[f"view{2**number}"])
            terms[f"scale{2**number}"] = Term(error, None, 1.0 / (self._scales - 1))
        return terms


def _halved(images: Tensor) -> Tensor:
    """Images of half the side, each pixel the mean of four."""
    ops = keras.ops
    _, height, width, channels = images.shape
    parts = ops.reshape(images, (-1, height // 2, 2, width // 2, 2, channels))
    return ops.mean(parts, axis=(2, 4))
