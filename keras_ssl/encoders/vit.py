"""Vision transformers in the layout of DINO, DINOv2, MoCo v3 and MAE."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments
from keras_ssl.encoders._trunk import (
    MLPS,
    Trunk,
    attention_pooled,
    block_outputs,
    check_holds_patch,
    check_residual,
    hidden_width,
    norm,
    patch_embedding,
    pool,
    trunk_sizes,
)
from keras_ssl.encoders.token_encoder import kept_tokens
from keras_ssl.encoders.token_sequence import TokenSequence
from keras_ssl.layers.uniform_draws import UniformDraws
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

_POOLINGS = ("class", "mean", "class_mean", "attention", None)


@keras.saving.register_keras_serializable(package="keras_ssl")
class ViT(keras.Model):
    """A vision transformer that maps images `[N, H, W, C]` to features `[N, D]`.

    An image is cut into square patches (what is left over at its right and lower edge is not seen), each of which a
    linear map makes a token. A class token and registers come before them, positions are added (see
    `TokenSequence`), and `depth` blocks follow, with `g` the layer scale, where there is one:

        x = x + g1 * projection(attention(qkv(norm1(x))))
        x = x + g2 * mlp2(activation(mlp1(norm2(x))))

    then a last layer normalization. The defaults are DINO's ViT-S/16. Other published ones:

    - DINO ViT-S/8, B/16, B/8: `ViT("B", patch_size=8)`;
    - DINOv2 ViT-S/14: `ViT("S", 14, image_size=518, layer_scale=1.0)`, so B and L, and `ViT("g", mlp="swiglu", ...)`;
      with registers: `registers=4, interpolate_offset=0.0, interpolate_antialias=True`;
    - MAE: `ViT("B", position="sincos", interpolate_offset=0.0)`;
    - MoCo v3: the same, but ViT-S has `heads=12`;
    - TIPS: DINOv2's with a register that is a second class token: `ViT("B", 14, image_size=448, layer_scale=1.0,
      registers=1, interpolation="bilinear", interpolate_offset=0.0, interpolate_antialias=True)`;
    - SigLIP 2: `ViT("B", mlp="gelu_tanh", class_token=False, pooling="attention")`;
    - I-JEPA: `ViT("H", 14, position="sincos", interpolate_offset=0.0, class_token=False, pooling="mean")`. At another
      size its authors' code drops a position and fails; here positions are interpolated as MAE's are.

    Layer names are a public weight format: `patch_embedding`, `tokens`, and for each block from 1 `block1_norm1`,
    `block1_qkv`, `block1_projection`, `block1_scale1`, `block1_norm2`, `block1_mlp1`, `block1_mlp2`, `block1_scale2`,
    then `norm`; with `pooling="attention"` also `pool`, `pool_projection`, `pool_norm`, `pool_mlp1`, `pool_mlp2`. The
    tokens that leave a block are the output of `block1_add2`.

    Args:
        variant: width, depth and heads by name: "Ti" (192, 12, 3), "S" (384, 12, 6), "B" (768, 12, 12), "L" (1024,
            24, 16), "So400m" (1152, 27, 16), "H" (1280, 32, 16) or "g" (1536, 40, 24). Defaults to "S".
        patch_size: side of a patch in pixels. Defaults to 16.
        width: width of the tokens; None (default) is the variant's.
        depth: number of blocks; None (default) is the variant's.
        heads: number of heads, which must divide the width; None (default) is the variant's.
        mlp: "gelu" (default), "gelu_tanh", its approximation by a tanh, or "swiglu", whose hidden layer is 2/3 as
            wide, rounded up to a multiple of 8, which leaves about as many weights.
        mlp_ratio: width of the hidden layer over that of the tokens. Defaults to 4.
        registers: number of registers: tokens that hold no patch, so that no patch need serve for it. Defaults to 0.
        layer_scale: the layer scale's initial value; None (default) is no layer scale. DINOv2 trains from 1e-5.
        drop_path: probability of leaving out each of the last block's two branches in training (see `DropPath`); it
            rises from 0 at the first block in equal steps. Defaults to 0; DINO trains with 0.1.
        position: "learned" (default), or "sincos": fixed.
        image_size: side in pixels of the images that the positions are made for, a multiple of `patch_size`.
            Images of any other size see them interpolated. Defaults to 224.
        interpolate_offset: as for `TokenSequence`. Defaults to 0.1.
        interpolate_antialias: as for `TokenSequence`. Defaults to False.
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        pooling: "class" (default): the class token; "mean": the mean of the patch tokens; "class_mean": both, `[N, 2
            * width]`, as DINOv2's linear probe takes them; "attention": all tokens by
            `keras_ssl.layers.AttentionPooling` and a network, as SigLIP's; None: all tokens
            `[N, 1 + registers + patches, width]`, one less without a class token.
        class_token: whether there is a class token, without which `pooling` must not read it. Defaults to True.
        causal: whether each token sees itself and those before it only, as in a language model: class token,
            registers, then patches row by row. Defaults to False.
        interpolation: of positions: "bicubic" (default) or "bilinear".
        channels: number of channels of the images, in place of that of `input_shape`: 1 for gray images, 13 for
            Sentinel-2. Defaults to None: as `input_shape` says.
        name: name of the model. Defaults to one made from variant and patch size, as in "vit_s16".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = ViT("Ti", patch_size=8, depth=2, image_size=32)
    >>> tuple(encoder(keras.ops.zeros((2, 32, 48, 3))).shape)
    (2, 192)

    References: Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, https://arxiv.org/abs/2010.11929; Caron
    et al., 2021, https://arxiv.org/abs/2104.14294 (DINO); Oquab et al., 2023, https://arxiv.org/abs/2304.07193
    (DINOv2); Darcet et al., 2024, https://arxiv.org/abs/2309.16588 (registers).
    """

    def __init__(
        self,
        variant: str = "S",
        patch_size: int = 16,
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        mlp: str = "gelu",
        mlp_ratio: float = 4.0,
        registers: int = 0,
        layer_scale: float | None = None,
        drop_path: float = 0.0,
        position: str = "learned",
        image_size: int = 224,
        interpolate_offset: float = 0.1,
        interpolate_antialias: bool = False,
        input_shape: Sequence[int | None] = (None, None, 3),
        pooling: str | None = "class",
        class_token: bool = True,
        causal: bool = False,
        interpolation: str = "bicubic",
        channels: int | None = None,
        name: str | None = None,
    ) -> None:
        sizes = {"width": width, "depth": depth, "heads": heads}
        dim, blocks, head_count = trunk_sizes(variant, sizes)
        if dim % head_count:
            raise ValueError(f"`heads` must divide the width, {dim}. Received: heads={head_count}")
        patch_size = check_integer("patch_size", patch_size, 1)
        image_size = check_integer("image_size", image_size, 1)
        if image_size % patch_size:
            raise ValueError(f"`image_size` must be a multiple of {patch_size}. Received: image_size={image_size}")
        if mlp not in MLPS:
            raise ValueError(f"`mlp` must be one of {MLPS}. Received: mlp={mlp!r}")
        check_positive("mlp_ratio", mlp_ratio)
        check_residual(layer_scale, drop_path)
        image_shape = check_image_arguments(input_shape, pooling, _POOLINGS, channels)
        if not class_token and pooling in ("class", "class_mean"):
            raise ValueError(
                "`pooling` must be 'mean', 'attention' or None where there is no class token. "
                f"Received: pooling={pooling!r}, class_token={class_token}"
            )
        check_holds_patch(input_shape, patch_size)

        inputs = keras.Input(image_shape, name="images")
        x = patch_embedding(inputs, dim, patch_size)
        x = TokenSequence(
            image_size // patch_size,
            registers,
            position,
            interpolate_offset,
            interpolate_antialias,
            class_token,
            interpolation,
            name="tokens",
        )(x)
        hidden = hidden_width(dim, mlp, mlp_ratio)
        draws = UniformDraws(2 * blocks, name="draws")(x) if drop_path else None
        trunk = Trunk(blocks, head_count, mlp, hidden, layer_scale, drop_path, draws, bool(causal))
        for number in range(1, blocks + 1):
            x = trunk.block(x, number)
        x = norm(x, "norm")
        name = name or f"vit_{variant.lower()}{patch_size}"
        super().__init__(inputs=inputs, outputs=pool(x, int(class_token) + registers, pooling, trunk), name=name)

        self.variant = variant
        self.patch_size = patch_size
        self.sizes = sizes
        self.mlp = mlp
        self.mlp_ratio = mlp_ratio
        self.registers = registers
        self.layer_scale = layer_scale
        self.drop_path = drop_path
        self.position = position
        self.image_size = image_size
        self.interpolate_offset = interpolate_offset
        self.interpolate_antialias = interpolate_antialias
        self.image_shape = image_shape
        self.pooling = pooling
        self.class_token = class_token
        self.causal = bool(causal)
        self.interpolation = interpolation
        self.channels = channels
        self.prefix = int(class_token) + registers
        self.token_width = dim

    def grid(self, input_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """Rows and columns of the patches of images `[N, H, W, C]`."""
        height, width = input_shape[1:3]
        if height is None or width is None:
            raise ValueError(f"The height and width of the images must be known. Received: shape={tuple(input_shape)}")
        return height // self.patch_size, width // self.patch_size

    def patches(self, images: Tensor) -> Tensor:
        """The pixels of each patch, row by row: `[N, T, patch_size^2 * C]`."""
        ops, side = keras.ops, self.patch_size
        rows, columns = self.grid(images.shape)
        cut = images[:, : rows * side, : columns * side]
        parts = ops.reshape(cut, (-1, rows, side, columns, side, images.shape[-1]))
        return ops.reshape(ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, side**2 * images.shape[-1]))

    def tokens(self, x: Tensor) -> Tensor:
        """Class token, registers and patches with their positions, before the first block."""
        return self.get_layer("tokens")(self.get_layer("patch_embedding")(x))

    def encode(
        self, tokens: Tensor, keep: Tensor | None = None, training: bool = False, causal: bool | None = None
    ) -> Tensor:
        """Tokens after the last normalization; of the patches those that `keep [N, K]` names, None (default) all.

        `causal` says whether tokens see only those before them; None (default) is as the encoder was made.
        """
        return self.get_layer("norm")(self.block_tokens(tokens, keep, training, causal)[-1])

    def block_tokens(
        self, tokens: Tensor, keep: Tensor | None = None, training: bool = False, causal: bool | None = None
    ) -> list[Tensor]:
        """Tokens after each block, before the last normalization; arguments as for `encode`."""
        layers = {layer.name: layer for layer in self.layers}
        draws = layers["draws"](tokens, training=training) if "draws" in layers else None
        return block_outputs(layers, kept_tokens(tokens, self.prefix, keep), draws, training, causal)

    def pool(self, tokens: Tensor) -> Tensor:
        """The features of encoded tokens."""
        if self.pooling == "class":
            return tokens[:, 0]
        if self.pooling == "attention":
            return attention_pooled(tokens, {layer.name: layer for layer in self.layers})
        mean = keras.ops.mean(tokens[:, self.prefix :], axis=1)
        return mean if self.pooling == "mean" else keras.ops.concatenate([tokens[:, 0], mean], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            "variant": self.variant,
            "patch_size": self.patch_size,
            **self.sizes,
            "mlp": self.mlp,
            "mlp_ratio": self.mlp_ratio,
            "registers": self.registers,
            "layer_scale": self.layer_scale,
            "drop_path": self.drop_path,
            "position": self.position,
            "image_size": self.image_size,
            "interpolate_offset": self.interpolate_offset,
            "interpolate_antialias": self.interpolate_antialias,
            "input_shape": self.image_shape,
            "pooling": self.pooling,
            "class_token": self.class_token,
            "causal": self.causal,
            "interpolation": self.interpolation,
            "channels": self.channels,
            "name": self.name,
        }
