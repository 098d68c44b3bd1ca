"""Vision transformers with rotary positions, in the layouts of DINOv3 and CAPI."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments
from keras_ssl.encoders._trunk import (
    MLPS,
    NORMS,
    Trunk,
    block_outputs,
    check_holds_patch,
    check_residual,
    hidden_width,
    make_norm,
    patch_embedding,
    pool,
    trunk_sizes,
)
from keras_ssl.encoders.rotary_tokens import RotaryPositions, RotaryTokens
from keras_ssl.encoders.token_encoder import kept_tokens
from keras_ssl.encoders.vit import ViT
from keras_ssl.layers.rotary_embedding import CONVENTIONS, RotaryEmbedding
from keras_ssl.layers.uniform_draws import UniformDraws
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

_POOLINGS = ("class", "mean", "class_mean", None)


@keras.saving.register_keras_serializable(package="keras_ssl")
class RotaryViT(keras.Model):
    """A vision transformer with rotary positions that maps images `[N, H, W, C]` to features `[N, D]`.

    As `ViT`, but nothing is added to the patches: every block turns its queries and keys by angles of the patches'
    places (see `keras_ssl.layers.RotaryEmbedding`, which says what the two conventions compute, and
    `keras_ssl.encoders.rotary_tokens.RotaryPositions`). There is no table of positions, so nothing is interpolated:
    images may have any size, and what is left over of a whole number of patches at the right and lower edge is not
    seen. With `g` the layer scale, where there is one, a block is

        x = x + g1 * projection(attention(rope(qkv(norm1(x)))))
        x = x + g2 * mlp2(activation(mlp1(norm2(x))))

    then a last normalization. Published ones, of which DINOv3's train with a layer scale from 1e-5:

    - DINOv3 S, B, L, and EUPE's and LingBot-Vision's: `RotaryViT("S", layer_scale=1e-5)`; EUPE's T is "Ti";
    - DINOv3 S+: the same with `mlp="swiglu", mlp_ratio=6.0`; H+: `RotaryViT("H", heads=20, mlp="swiglu", mlp_ratio=6.0,
      layer_scale=1e-5)`; 7B: `RotaryViT("g", width=4096, heads=32, mlp="swiglu", mlp_ratio=3.0, qkv_bias=False,
      layer_scale=1e-5)`;
    - LingBot-Vision g: `RotaryViT("g", mlp="swiglu", qkv_bias=False, layer_scale=1e-5)`;
    - CAPI: `RotaryViT("L", 14, registers=16, norm="rms", final_scale=False, qkv_bias=False, bias=False,
      class_token=False, rotary="capi", pooling="mean")`.

    DINOv3 keeps the bias of keys at 0 in training by a mask. Here there is no mask: published files are read with it
    applied, so features are the same, but further training may move that bias.

    It is a `TokenEncoder`. `encode` is given tokens alone, so it takes their grid to be that of the images from which
    `tokens` made as many, or a square; where images of as many patches but other sides were seen, `grid` must be given.

    Layer names are a public weight format: those of `ViT`, with `rope`, whose weights all blocks share, or for "capi"
    `block1_rope` and so on.

    Args:
        variant: width, depth and heads by name, as for `ViT`. Defaults to "S".
        patch_size: side of a patch in pixels. Defaults to 16.
        width: width of the tokens; None (default) is the variant's.
        depth: number of blocks; None (default) is the variant's.
        heads: number of heads; the width of each must be a multiple of 4. None (default) is the variant's.
        mlp: "gelu" (default), "gelu_tanh" or "swiglu", as for `ViT`.
        mlp_ratio: width of the hidden layer over that of the tokens. Defaults to 4.
        registers: number of registers. Defaults to 4.
        layer_scale: the layer scale's initial value; None (default) is no layer scale.
        drop_path: as for `ViT`. Defaults to 0.
        norm: "layer" (default) or "rms": `keras_ssl.layers.RMSNorm`.
        norm_epsilon: of all normalizations. Defaults to 1e-5.
        final_scale: whether the last normalization has weights. Defaults to True.
        qkv_bias: whether the maps to queries, keys and values have biases. Defaults to True.
        bias: whether the blocks' other maps have biases. Defaults to True.
        class_token: whether there is one, without which `pooling` must not read it. Defaults to True.
        rotary: the convention of positions, "dinov3" (default) or "capi", for which the tokens before the patches must
            be a multiple of 4.
        rotary_base: of the periods of "dinov3". Defaults to 100.
        pooling: "class" (default), "mean", "class_mean" or None, as for `ViT`.
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        channels: number of channels of the images, in place of that of `input_shape`. Defaults to None.
        name: name of the model. Defaults to one made from variant and patch size, as in "rotary_vit_s16".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = RotaryViT("Ti", patch_size=8, depth=2)
    >>> tuple(encoder(keras.ops.zeros((2, 32, 48, 3))).shape)
    (2, 192)

    References: Simeoni et al., "DINOv3", 2025, https://arxiv.org/abs/2508.10104; Darcet et al., "Cluster and predict
    latent patches", 2025, https://arxiv.org/abs/2502.08769; Su et al., "RoFormer", 2021,
    https://arxiv.org/abs/2104.09864.
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
        registers: int = 4,
        layer_scale: float | None = None,
        drop_path: float = 0.0,
        norm: str = "layer",
        norm_epsilon: float = 1e-5,
        final_scale: bool = True,
        qkv_bias: bool = True,
        bias: bool = True,
        class_token: bool = True,
        rotary: str = "dinov3",
        rotary_base: float = 100.0,
        pooling: str | None = "class",
        input_shape: Sequence[int | None] = (None, None, 3),
        channels: int | None = None,
        name: str | None = None,
    ) -> None:
        sizes = {"width": width, "depth": depth, "heads": heads}
        dim, blocks, head_count = trunk_sizes(variant, sizes)
        if dim % (4 * head_count):
            raise ValueError(f"`heads` must divide the width, {dim}, into multiples of 4. Received: heads={head_count}")
        patch_size = check_integer("patch_size", patch_size, 1)
        registers = check_integer("registers", registers, 0)
        for argument, value, known in (("mlp", mlp, MLPS), ("norm", norm, NORMS), ("rotary", rotary, CONVENTIONS)):
            if value not in known:
                raise ValueError(f"`{argument}` must be one of {known}. Received: {argument}={value!r}")
        check_positive("mlp_ratio", mlp_ratio)
        check_positive("norm_epsilon", norm_epsilon)
        if check_positive("rotary_base", rotary_base) < 1.0:
            raise ValueError(f"`rotary_base` must be at least 1. Received: rotary_base={rotary_base}")
        prefix = int(bool(class_token)) + registers
        if rotary == "capi" and prefix % 4:
            raise ValueError(
                "`registers` and the class token must be a multiple of 4 for rotary='capi'. "
                f"Received: registers={registers}, class_token={class_token}"
            )
        check_residual(layer_scale, drop_path)
        image_shape = check_image_arguments(input_shape, pooling, _POOLINGS, channels)
        if not class_token and pooling in ("class", "class_mean"):
            raise ValueError(
                "`pooling` must be 'mean' or None where there is no class token. "
                f"Received: pooling={pooling!r}, class_token={class_token}"
            )
        check_holds_patch(input_shape, patch_size)

        inputs = keras.Input(image_shape, name="images")
        patches = patch_embedding(inputs, dim, patch_size)
        positions = RotaryPositions(prefix, rotary, name="positions")(patches)
        x = RotaryTokens(registers, class_token, name="tokens")(patches)
        shared = RotaryEmbedding(head_count, rotary, rotary_base, name="rope") if rotary != "capi" else None

        def turned(qkv: Tensor, number: int) -> Tensor:
            layer = shared or RotaryEmbedding(head_count, rotary, rotary_base, name=f"block{number}_rope")
            return layer([qkv, positions])

        trunk = Trunk(
            blocks,
            head_count,
            mlp,
            hidden_width(dim, mlp, mlp_ratio),
            layer_scale,
            drop_path,
            UniformDraws(2 * blocks, name="draws")(x) if drop_path else None,
            causal=False,
            norm=lambda tokens, name: make_norm(norm, norm_epsilon, name=name)(tokens),
            qkv_bias=bool(qkv_bias),
            bias=bool(bias),
            turned=turned,
        )
        for number in range(1, blocks + 1):
            x = trunk.block(x, number)
        x = make_norm(norm, norm_epsilon, bool(final_scale), name="norm")(x)
        name = name or f"rotary_vit_{variant.lower()}{patch_size}"
        super().__init__(inputs=inputs, outputs=pool(x, prefix, pooling, trunk), name=name)

        self.variant = variant
        self.patch_size = patch_size
        self.sizes = sizes
        self.mlp = mlp
        self.mlp_ratio = mlp_ratio
        self.registers = registers
        self.layer_scale = layer_scale
        self.drop_path = drop_path
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.final_scale = bool(final_scale)
        self.qkv_bias = bool(qkv_bias)
        self.bias = bool(bias)
        self.class_token = bool(class_token)
        self.rotary = rotary
        self.rotary_base = rotary_base
        self.pooling = pooling
        self.image_shape = image_shape
        self.channels = channels
        self.prefix = prefix
        self.token_width = dim

    grid = ViT.grid
    patches = ViT.patches
    tokens = ViT.tokens
    pool = ViT.pool

    def encode(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        training: bool = False,
        causal: bool | None = None,
        grid: tuple[int, int] | None = None,
    ) -> Tensor:
        """Tokens after the last normalization; of the patches those that `keep [N, K]` names, None (default) all.

        `causal` says whether tokens see only those before them; None (default) is no. `grid` is (rows, columns) of the
        patches, before any is left out; for None (default) see the class.

        Raises:
            ValueError: if the grid is not known.
        """
        return self.get_layer("norm")(self.block_tokens(tokens, keep, training, causal, grid)[-1])

    def block_tokens(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        training: bool = False,
        causal: bool | None = None,
        grid: tuple[int, int] | None = None,
    ) -> list[Tensor]:
        """Tokens after each block, before the last normalization; arguments and errors as for `encode`."""
        layers = {layer.name: layer for layer in self.layers}
        count = None if tokens.shape[1] is None else tokens.shape[1] - self.prefix
        positions = layers["positions"].of_grid(*layers["tokens"].grid_of(count, grid), keep)
        draws = layers["draws"](tokens, training=training) if "draws" in layers else None
        return block_outputs(layers, kept_tokens(tokens, self.prefix, keep), draws, training, causal, positions)

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
            "norm": self.norm,
            "norm_epsilon": self.norm_epsilon,
            "final_scale": self.final_scale,
            "qkv_bias": self.qkv_bias,
            "bias": self.bias,
            "class_token": self.class_token,
            "rotary": self.rotary,
            "rotary_base": self.rotary_base,
            "pooling": self.pooling,
            "input_shape": self.image_shape,
            "channels": self.channels,
            "name": self.name,
        }
