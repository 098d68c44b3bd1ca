"""Selfie."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.layers.transformer_block import TransformerBlock
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.patch_selection_loss import patch_selection_loss, selection_logits
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.masks import RandomMask, hidden_tokens


@register("objective", family="masked", paper="https://arxiv.org/abs/1906.02940")
class Selfie(SSLModel):
    r"""Selfie: hide patches of an image, and tell from the others which hidden patch belongs to which place.

    An image is cut into squares of `patch_size` pixels, and the encoder maps each square by itself to a code. A share
    `mask_ratio` of the squares is hidden. Attention pooling sums up the visible ones: a small transformer gets a
    learned token and their codes, each with its position, and what comes out at the token is u. For each hidden place
    p, `u + position_p` is multiplied with the codes of all hidden squares of the image, and the loss is the
    cross-entropy of picking its own, `patch_selection_loss`. Visible squares are no candidates. Logged: `loss`,
    `selection` (the same; chance value is the logarithm of the number of hidden squares), `accuracy`, `embedding_std`
    of the mean code of an image.

    The loss is a mean over samples: nothing of it is gathered across replicas. Batch normalization in the encoder takes
    its statistics from visible and hidden squares together.

    The paper's encoder is the first three stages of a ResNet-50. The width and depth of the pooling are this library's
    choice, and so are three more: a linear map from codes to the pooling's width, positions that are fixed sines and
    cosines (the paper's are learned), and positions on the visible codes as well.

    Args:
        encoder: a built `keras.Model` that maps images of any size to features `[N, F]`. After training it serves whole
            images.
        patch_size: side of a square in pixels, which must divide the side of the images; the paper takes 8 of 32.
        mask_ratio: share of hidden squares, in [0, 1). Defaults to 0.25. At least two squares must be hidden.
        width: width of the pooling and of the products, a multiple of 4. Defaults to 256.
        depth: blocks of the pooling. Defaults to 3.
        heads: heads of the pooling, which must divide its width. Defaults to 4.
        temperature: T > 0, by which the products are divided. Defaults to 1.
        **kwargs: `views` (default: a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder takes images of one size only, an argument is out of range, or (when called) images
            are not square, or fewer than two squares are hidden.

    Example:

    ```python
    model = keras_ssl.Selfie(keras_ssl.encoders.ConvNet((32, 64, 128)), patch_size=8, width=128)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(images, epochs=100)
    ```

    Reference:
        Trinh et al., "Selfie: Self-supervised Pretraining for Image Embedding", 2019.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"patch_size": 4, "width": 16, "depth": 1, "heads": 2}

    chosen_arguments: ClassVar[tuple[str, ...]] = ("patch_size",)
    stored_as: ClassVar[dict[str, str]] = {"mask_ratio": "mask.ratio"}

    def __init__(
        self,
        encoder: keras.Model,
        patch_size: int,
        mask_ratio: float = 0.25,
        width: int = 256,
        depth: int = 3,
        heads: int = 4,
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        shape = self.encoder_input_shape
        if self.takes_columns or len(shape) != 4 or any(side is not None for side in shape[1:3]):
            raise ValueError(
                f"`encoder` must take images of any size for {type(self).__name__}, such as keras_ssl.encoders.ConvNet."
                f" Received: encoder with input shape {shape}"
            )
        self.patch_size = check_integer("patch_size", patch_size, 1)
        self.mask = RandomMask(mask_ratio)
        self.width = check_integer("width", width, 4)
        self.depth = check_integer("depth", depth, 1)
        self.heads = check_integer("heads", heads, 1)
        self.temperature = check_number("temperature", temperature, 0.0, above=True)
        self.code = keras.layers.Dense(self.width, name="code")
        self.code.build((None, None, self.feature_dim))
        self.pooling_token = self.add_weight(name="pooling_token", shape=(self.width,), initializer=SmallNormal())
        self.pooling_blocks = [
            TransformerBlock(self.heads, name=f"pooling_block{number}") for number in range(1, self.depth + 1)
        ]
        self.pooling_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="pooling_norm")
        for layer in (*self.pooling_blocks, self.pooling_norm):
            layer.build((None, None, self.width))

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        size = next(side for side in range(max(scale.image_size // 4, 1), 0, -1) if scale.image_size % side == 0)
        width = min(256, scale.feature_dim)
        return {"patch_size": size, "width": width, "depth": 2, "heads": scale.heads(width, 4)}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([view_ops.RandomFlip(0.5)])

    def grid(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of the squares of images.

        Raises:
            ValueError: if images are not square, or the patch size does not divide their side.
        """
        height, width = images.shape[1:3]
        if height != width or height % self.patch_size:
            raise ValueError(
                f"Images of Selfie must be square, with sides that are a multiple of {self.patch_size}. "
                f"Received: images of {height} x {width} pixels"
            )
        return height // self.patch_size, width // self.patch_size

    def patch_codes(self, images: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Of each square, row by row, the encoder's features `[N, T, F]` and the code `[N, T, width]`."""
        ops, side = keras.ops, self.patch_size
        rows, columns = self.grid(images)
        parts = ops.reshape(images, (-1, rows, side, columns, side, images.shape[-1]))
        parts = ops.reshape(ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, side, side, images.shape[-1]))
        features = ops.reshape(self.encoder(parts, training=training), (-1, rows * columns, self.feature_dim))
        return features, self.code(features)

    def summary_token(self, codes: Tensor, keep: Tensor, grid: tuple[int, int]) -> Tensor:
        """u, what attention pooling makes of the visible codes: `[N, width]`.

        Args:
            codes: of all squares, `[N, T, width]`.
            keep: numbers of the visible squares, int32 `[N, K]`.
            grid: rows and columns of the squares.
        """
        ops = keras.ops
        seen = _chosen(codes, keep) + _chosen_positions(keep, grid, self.width, codes.dtype)
        token = ops.cast(self.pooling_token, codes.dtype)
        token = ops.broadcast_to(token, (ops.shape(codes)[0], 1, self.width))
        x = ops.concatenate([token, seen], axis=1)
        for block in self.pooling_blocks:
            x = block(x)
        return self.pooling_norm(x)[:, 0]

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, images = keras.ops, self.make_views(batch, step)[0]
        grid = self.grid(images)
        keep = self.mask(step.stream(), grid)
        count = grid[0] * grid[1] - keep.shape[1]
        if count < 2:
            raise ValueError(
                f"`mask_ratio` must hide at least two of the {grid[0] * grid[1]} squares. "
                f"Received: mask_ratio={self.mask.ratio}"
            )
        # The numbers of the hidden squares, ascending: a stable order, with those of the visible ones behind.
        hidden = hidden_tokens(keep, grid)
        order = ops.arange(grid[0] * grid[1], dtype="float32")
        places = ops.cast(ops.argsort(order - 1e4 * hidden, axis=1)[:, :count], "int32")
        features, codes = self.patch_codes(images, step.training)
        pooled = self.summary_token(codes, keep, grid)
        return {
            "features": ops.stop_gradient(ops.mean(features, axis=1)),
            "queries": pooled[:, None] + _chosen_positions(places, grid, self.width, pooled.dtype),
            "candidates": _chosen(codes, places),
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, queries, candidates = keras.ops, embeddings["queries"], embeddings["candidates"]
        best = ops.argmax(selection_logits(queries, candidates), axis=2)
        right = ops.equal(ops.cast(best, "int32"), ops.arange(queries.shape[1], dtype="int32"))
        return {
            "selection": Term(patch_selection_loss(queries, candidates, self.temperature)),
            "accuracy": Term(ops.mean(ops.cast(right, "float32"), axis=1), None, 0.0),
        }


def _chosen(tokens: Tensor, numbers: Tensor) -> Tensor:
    """Tokens by their numbers, `[N, K, D]`: a product with one-hot numbers, which is exact and differentiates well."""
    places = keras.ops.one_hot(numbers, tokens.shape[1], dtype=tokens.dtype)
    return keras.ops.matmul(places, tokens)


def _chosen_positions(numbers: Tensor, grid: tuple[int, int], width: int, dtype: Any) -> Tensor:
    """Fixed positions of the squares by their numbers, `[N, K, D]`."""
    table = keras.ops.cast(sincos_positions(grid[0], width)[1:], dtype)
    return keras.ops.matmul(keras.ops.one_hot(numbers, table.shape[0], dtype=table.dtype), table)
