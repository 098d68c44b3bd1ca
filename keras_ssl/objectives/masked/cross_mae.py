"""CrossMAE."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.encoders.masked_tokens import check_mask_token_encoder
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.layers.cross_attention_block import CrossAttentionBlock
from keras_ssl.losses.masked_pixel_loss import masked_pixel_loss, normalized_patches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.masks import RandomMask


@register("objective", family="masked", paper="https://arxiv.org/abs/2401.14391")
class CrossMAE(SSLModel):
    r"""CrossMAE: a masked autoencoder whose hidden patches are decoded one by one, and not all of them.

    A share `mask_ratio` of the patches is hidden, and the encoder sees the others only, as in `MAE`. Of the hidden
    patches a share `prediction_ratio` of all patches is predicted. For each of them the decoder starts from a learned
    token with the patch's fixed position, and looks at the encodings of the visible patches; it does not look at other
    hidden patches. So the prediction of a patch does not depend on which others are predicted. The loss is MAE's, of
    the predicted patches: `mean over predicted patches of mean over pixels of (prediction - target)^2`; with
    `normalize_targets` each target patch has mean 0 and variance 1.

    With `inter_block` each block of the decoder has its own context: a weighted sum of the tokens before the first
    block of the encoder and after each block, with learned weights, normalized. After the encoder's last block the
    tokens are taken behind its last normalization, which so learns too; in the authors' code it does not. Without, the
    context of all blocks is the encoder's output.

    Logged: `loss`, `reconstruction` (the same), `embedding_std` of the encoder's features. The loss is a mean over
    samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `keras_ssl.encoders.ViT` of square images.
        mask_ratio: share of hidden patches, in [0, 1). Defaults to 0.75, the paper's.
        prediction_ratio: share of all patches that is predicted, greater than 0 and at most `mask_ratio`. Defaults to
            0.25; the paper also has 0.75, which is all hidden ones.
        inter_block: whether each block of the decoder weighs the encoder's layers. Defaults to True, the paper's.
        decoder_width: width of the decoder, a multiple of 4. Defaults to 512.
        decoder_depth: blocks of the decoder. Defaults to 12, the paper's.
        decoder_heads: heads of the decoder. Defaults to 16.
        normalize_targets: whether target patches are normalized. Defaults to True.
        **kwargs: `views` (default: a random crop of .2 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer, an argument is out of range, or images are not square.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.CrossMAE(encoder, decoder_width=64, decoder_depth=2, decoder_heads=4)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Fu et al., "Rethinking Patch Dependence for Masked Autoencoders", TMLR 2025.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"decoder_width": 16, "decoder_depth": 2, "decoder_heads": 2}
    stored_as: ClassVar[dict[str, str]] = {"mask_ratio": "mask.ratio"}

    def __init__(
        self,
        encoder: keras.Model,
        mask_ratio: float = 0.75,
        prediction_ratio: float = 0.25,
        inter_block: bool = True,
        decoder_width: int = 512,
        decoder_depth: int = 12,
        decoder_heads: int = 16,
        normalize_targets: bool = True,
        **kwargs: Any,
    ) -> None:
        check_mask_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        self.mask = RandomMask(mask_ratio)
        self.prediction_ratio = check_number("prediction_ratio", prediction_ratio, 0.0, self.mask.ratio, above=True)
        self.inter_block = bool(inter_block)
        width = self.decoder_width = check_integer("decoder_width", decoder_width, 4)
        sincos_positions(1, width)  # raises for a width that is no multiple of 4
        self.decoder_depth = check_integer("decoder_depth", decoder_depth, 1)
        self.decoder_heads = check_integer("decoder_heads", decoder_heads, 1)
        self.normalize_targets = bool(normalize_targets)
        self.context_norms: list[keras.layers.Layer] = []
        if self.inter_block:
            layers = 1 + sum(layer.name.endswith("_qkv") for layer in encoder.layers)
            self.layer_weights = self.add_weight(
                name="layer_weights",
                shape=(self.decoder_depth, layers),
                initializer=keras.initializers.RandomNormal(stddev=layers**-0.5),
            )
            self.context_norms = [
                keras.layers.LayerNormalization(epsilon=1e-6, name=f"context_norm{number}")
                for number in range(1, self.decoder_depth + 1)
            ]
        self.mask_token = self.add_weight(name="mask_token", shape=(width,), initializer=SmallNormal())
        self.decoder_blocks = [
            CrossAttentionBlock(self.decoder_heads, name=f"decoder_block{number}")
            for number in range(1, self.decoder_depth + 1)
        ]
        self.decoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="decoder_norm")
        context_shape = (None, None, encoder.token_width)
        for norm in self.context_norms:
            norm.build(context_shape)
        for block in self.decoder_blocks:
            block.build((None, None, width), context_shape)
        self.decoder_norm.build((None, None, width))
        self.decoder_output = keras.layers.Dense(encoder.patch_size**2 * encoder.input_shape[-1], name="decoder_output")
        self.decoder_output.build((None, None, width))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(self.encoder.image_size, 0.2)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, images = keras.ops, self.make_views(batch, step)[0]
        grid = self.encoder.grid(images.shape)
        if grid[0] != grid[1]:
            raise ValueError(f"The images of CrossMAE must be square. Received: {grid[0]} x {grid[1]} patches")
        patches, visible = grid[0] * grid[1], self.mask.count(grid)
        predicted = min(max(1, int(patches * self.prediction_ratio + 1e-6)), patches - visible)
        order = step.stream().permutations(patches)
        keep, wanted = ops.sort(order[:, :visible], axis=1), ops.sort(order[:, visible : visible + predicted], axis=1)
        tokens = self.encoder.tokens(images)
        layers = self.encoder.block_tokens(tokens, keep, training=step.training)
        encoded = self.encoder.get_layer("norm")(layers[-1])
        first = ops.take_along_axis(tokens[:, self.encoder.prefix :], keep[:, :, None], axis=1)
        first = ops.concatenate([tokens[:, : self.encoder.prefix], first], axis=1)
        target = ops.take_along_axis(self.encoder.patches(images), wanted[:, :, None], axis=1)
        return {
            "features": ops.stop_gradient(self.encoder.pool(encoded)),
            "prediction": self.decode([first, *layers[:-1], encoded], wanted, grid),
            "target": normalized_patches(target) if self.normalize_targets else target,
        }

    def decode(self, layers: list[Tensor], wanted: Tensor, grid: tuple[int, ...]) -> Tensor:
        """The predicted pixels of patches, `[N, M, P]`.

        Args:
            layers: the encoder's tokens before its first block and after each, `[N, prefix + K, D]` each.
            wanted: numbers of the patches to predict, int32 `[N, M]`.
            grid: rows and columns of the patches.
        """
        ops = keras.ops
        dtype = layers[-1].dtype
        positions = ops.cast(sincos_positions(grid[0], self.decoder_width)[1:], dtype)
        x = ops.matmul(ops.one_hot(wanted, grid[0] * grid[1], dtype=dtype), positions)
        x = x + ops.cast(self.mask_token, dtype)
        for number, block in enumerate(self.decoder_blocks):
            context = layers[-1]
            if self.inter_block:
                weights = ops.cast(self.layer_weights, dtype)
                mixed = sum(weights[number, place] * layer for place, layer in enumerate(layers))
                context = self.context_norms[number](mixed)
            x = block(x, context)
        return self.decoder_output(self.decoder_norm(x))

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        prediction, target = embeddings["prediction"], embeddings["target"]
        every = keras.ops.ones_like(prediction[:, :, 0])
        return {"reconstruction": Term(masked_pixel_loss(prediction, target, every))}
