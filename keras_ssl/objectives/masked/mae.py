"""Masked autoencoders."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.checkpoints.run_layout import RunLayout
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.layers.transformer_block import TransformerBlock
from keras_ssl.losses.masked_pixel_loss import masked_pixel_loss, normalized_patches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.masks import RandomMask, hidden_tokens


@register("objective", family="masked", paper="https://arxiv.org/abs/2111.06377")
class MAE(SSLModel):
    r"""MAE: encode the visible patches of an image and reconstruct the pixels of the others.

    A share `mask_ratio` of the patches is hidden. The encoder sees the visible ones only. A narrow decoder gets their
    encodings, a learned token in the place of each hidden patch, and fixed positions, and predicts pixels. The loss is
    the squared error of the hidden patches, `mean over hidden patches of mean over pixels of (prediction - target)^2`;
    with `normalize_targets` each target patch has mean 0 and variance 1. Logged: `loss`, `reconstruction` (the same),
    `embedding_std` of the encoder's features. Untrained, the loss with normalized targets is a little above 1.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `TokenEncoder` of square images with a `patch_size`, such as `keras_ssl.encoders.ViT`.
        mask_ratio: share of hidden patches, in [0, 1). Defaults to 0.75, the paper's.
        decoder_width: width of the decoder, a multiple of 4. Defaults to 512, the paper's.
        decoder_depth: blocks of the decoder. Defaults to 8, the paper's.
        decoder_heads: heads of the decoder. Defaults to 16, the paper's.
        normalize_targets: whether target patches are normalized. Defaults to True, as in the paper's best runs.
        **kwargs: `views` (default: a random crop of .2 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no `TokenEncoder`, an argument is out of range, or images are not square.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.MAE(encoder, decoder_width=64, decoder_depth=2, decoder_heads=4)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    run_layout: ClassVar[RunLayout] = RunLayout(
        "model",
        {
            "mask_token": "model.mask_token",
            "decoder_embedding": "model.decoder_embed",
            "decoder_block": "model.decoder_blocks",
            "decoder_norm": "model.decoder_norm",
            "decoder_output": "model.decoder_pred",
        },
        ignored=(r"model\.decoder_pos_embed",),  # fixed
    )
    tiny: ClassVar[dict[str, Any] | None] = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
    stored_as: ClassVar[dict[str, str]] = {"mask_ratio": "mask.ratio"}

    def __init__(
        self,
        encoder: keras.Model,
        mask_ratio: float = 0.75,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        normalize_targets: bool = True,
        **kwargs: Any,
    ) -> None:
        check_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        self.mask = RandomMask(mask_ratio)
        self.decoder_width = check_integer("decoder_width", decoder_width, 4)
        self.decoder_depth = check_integer("decoder_depth", decoder_depth, 1)
        self.decoder_heads = check_integer("decoder_heads", decoder_heads, 1)
        self.normalize_targets = bool(normalize_targets)
        channels, width = encoder.input_shape[-1], self.decoder_width
        self.decoder_embedding = keras.layers.Dense(width, name="decoder_embedding")
        self.decoder_embedding.build((None, None, encoder.token_width))
        self.mask_token = self.add_weight(name="mask_token", shape=(width,), initializer=SmallNormal())
        self.decoder_blocks = [
            TransformerBlock(self.decoder_heads, name=f"decoder_block{number}")
            for number in range(1, self.decoder_depth + 1)
        ]
        self.decoder_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="decoder_norm")
        for layer in (*self.decoder_blocks, self.decoder_norm):
            layer.build((None, None, width))
        self.add_outputs(channels)

    def add_outputs(self, channels: int) -> None:
        """Makes the layer that predicts the pixels of a patch."""
        self.decoder_output = keras.layers.Dense(self.encoder.patch_size**2 * channels, name="decoder_output")
        self.decoder_output.build((None, None, self.decoder_width))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(self.encoder.image_size, 0.2)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        images = self.make_views(batch, step)[0]
        return self.autoencode(images, *self.visible_tokens(images, step))

    def visible_tokens(self, images: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """The numbers of the step's visible patches, int32 `[N, K]`, and their encodings, `[N, prefix + K, D]`."""
        grid = self.encoder.grid(images.shape)
        if grid[0] != grid[1]:
            raise ValueError(f"The images of MAE must be square. Received: {grid[0]} x {grid[1]} patches")
        keep = self.mask(step.stream(), grid)
        return keep, self.encoder.encode(self.encoder.tokens(images), keep, training=step.training)

    def autoencode(self, images: Tensor, keep: Tensor, encoded: Tensor) -> dict[str, Tensor]:
        """What the loss compares: predicted pixels of images by the encodings of their visible patches, and targets."""
        grid, targets = self.encoder.grid(images.shape), self.encoder.patches(images)
        return {
            "features": keras.ops.stop_gradient(self.encoder.pool(encoded)),
            "prediction": self.decode(encoded, keep, grid),
            "target": normalized_patches(targets) if self.normalize_targets else targets,
            "hidden": hidden_tokens(keep, grid),
        }

    def decode(self, encoded: Tensor, keep: Tensor, grid: tuple[int, ...]) -> Tensor:
        """The predicted pixels of all patches, `[N, T, P]`.

        Args:
            encoded: the encoder's tokens, `[N, prefix + K, D]`.
            keep: numbers of the visible patches, int32 `[N, K]`.
            grid: rows and columns of the patches.
        """
        return self.decoder_output(self.decoded(encoded, keep, sincos_positions(grid[0], self.decoder_width)[1:]))

    def decoded(self, encoded: Tensor, keep: Tensor, positions: Tensor) -> Tensor:
        """What the decoder makes of each token, before the pixels are predicted: `[N, T, decoder_width]`.

        Args:
            encoded: the encoder's tokens, `[N, prefix + K, D]`.
            keep: numbers of the visible tokens, int32 `[N, K]`.
            positions: of all tokens, `[T, decoder_width]`.
        """
        ops, prefix, count = keras.ops, self.encoder.prefix, positions.shape[0]
        narrow = self.decoder_embedding(encoded)
        # Each visible token goes to its place by a product with its one-hot number, which is exact.
        places = ops.one_hot(keep, count, dtype=narrow.dtype)
        hidden = ops.cast(hidden_tokens(keep, (count,)), narrow.dtype)[:, :, None]
        placed = ops.einsum("nkt,nkd->ntd", places, narrow[:, prefix:])
        placed = placed + hidden * ops.cast(self.mask_token, narrow.dtype)
        x = placed + ops.cast(positions, narrow.dtype)
        if prefix:
            x = ops.concatenate([narrow[:, :prefix], x], axis=1)
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_norm(x)[:, prefix:]

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        values = masked_pixel_loss(embeddings["prediction"], embeddings["target"], embeddings["hidden"])
        return {"reconstruction": Term(values)}
