"""What vision transformers share: the blocks, and the pooled output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.attention_pooling import AttentionPooling
from keras_ssl.layers.drop_path import DropPath
from keras_ssl.layers.gelu import ACTIVATIONS
from keras_ssl.layers.layer_scale import LayerScale
from keras_ssl.layers.rms_norm import RMSNorm
from keras_ssl.layers.self_attention import SelfAttention
from keras_ssl.layers.swiglu import SwiGLU
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

VARIANTS = {  # width, depth, heads
    "Ti": (192, 12, 3),
    "S": (384, 12, 6),
    "B": (768, 12, 12),
    "L": (1024, 24, 16),
    "So400m": (1152, 27, 16),
    "H": (1280, 32, 16),
    "g": (1536, 40, 24),
}
MLPS = (*ACTIVATIONS, "swiglu")


def trunk_sizes(variant: str, sizes: Mapping[str, int | None]) -> tuple[int, int, int]:
    """Width, depth and heads: those given in `sizes` by these names, and of the variant where they are None.

    Raises:
        ValueError: for an unknown variant, or a size that is no integer of at least 1.
    """
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {sorted(VARIANTS)}. Received: variant={variant!r}")
    width, depth, heads = (
        usual if value is None else check_integer(name, value, 1)
        for (name, value), usual in zip(sizes.items(), VARIANTS[variant], strict=True)
    )
    return width, depth, heads


def check_residual(layer_scale: float | None, drop_path: float) -> None:
    """Raises a `ValueError` where one of them is out of range."""
    if layer_scale is not None:
        check_positive("layer_scale", layer_scale)
    if not 0.0 <= drop_path < 1.0:
        raise ValueError(f"`drop_path` must lie in [0, 1). Received: drop_path={drop_path}")


def check_holds_patch(input_shape: Sequence[int | None], patch_size: int) -> None:
    """Raises a `ValueError` where images `(height, width, channels)` are known to be smaller than a patch."""
    if any(side is not None and side < patch_size for side in input_shape[:2]):
        raise ValueError(f"`input_shape` must hold a patch of {patch_size} pixels. Received: input_shape={input_shape}")


def patch_embedding(images: Tensor, width: int, patch_size: int) -> Tensor:
    """A linear map of each patch of images `[N, H, W, C]`: `[N, H / patch_size, W / patch_size, width]`."""
    return keras.layers.Conv2D(
        width,
        patch_size,
        patch_size,
        data_format="channels_last",
        kernel_initializer=SmallNormal(),
        name="patch_embedding",
    )(images)


def added(
    block: dict[str, keras.layers.Layer], x: Tensor, branch: Tensor, part: int, draws: Tensor, training: bool
) -> Tensor:
    """`x` and a branch of a block, by the layers that `Trunk.residual` made."""
    if f"scale{part}" in block:
        branch = block[f"scale{part}"](branch)
    if f"drop{part}" in block:
        branch = block[f"drop{part}"]([branch, draws], training=training)
    return block[f"add{part}"]([x, branch])


def block_outputs(
    layers: Mapping[str, keras.layers.Layer],
    x: Tensor,
    draws: Tensor,
    training: bool,
    causal: bool | None,
    positions: Tensor | None = None,
) -> list[Tensor]:
    """Tokens after each block, by an encoder's layers; `positions` are for those that turn queries and keys."""
    made = []
    options = {} if causal is None else {"causal": causal}
    for number in range(1, sum(name.endswith("_qkv") for name in layers) + 1):
        block = {
            name.removeprefix(f"block{number}_"): layer
            for name, layer in layers.items()
            if name.startswith(f"block{number}_")
        }
        qkv = block["qkv"](block["norm1"](x))
        if positions is not None:
            qkv = (block["rope"] if "rope" in block else layers["rope"])([qkv, positions])
        x = added(block, x, block["projection"](block["attention"](qkv, **options)), 1, draws, training)
        middle = block["gate"] if "gate" in block else block["activation"]
        x = added(block, x, block["mlp2"](middle(block["mlp1"](block["norm2"](x)))), 2, draws, training)
        made.append(x)
    return made


def hidden_width(width: int, mlp: str, ratio: float) -> int:
    hidden = int(width * ratio)
    # Three matrices instead of two, so each is narrower; DINOv2 rounds up to a multiple of 8.
    return hidden if mlp in ACTIVATIONS else (int(hidden * 2 / 3) + 7) // 8 * 8


def norm(x: Tensor, name: str) -> Tensor:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)


def dense(x: Tensor, units: int, name: str, bias: bool = True) -> Tensor:
    return keras.layers.Dense(units, use_bias=bias, kernel_initializer=SmallNormal(), name=name)(x)


NORMS = ("layer", "rms")


def make_norm(kind: str, epsilon: float, scale: bool = True, **kwargs: Any) -> keras.layers.Layer:
    """Layer normalization or that by the root mean square; without `scale` neither has weights."""
    if kind == "rms":
        return RMSNorm(epsilon, scale, **kwargs)
    return keras.layers.LayerNormalization(epsilon=epsilon, center=scale, scale=scale, **kwargs)


@dataclass(frozen=True)
class Trunk:
    """What all blocks have in common."""

    depth: int
    heads: int
    mlp: str
    hidden: int
    layer_scale: float | None
    drop_path: float
    draws: Tensor
    causal: bool
    norm: Callable[[Tensor, str], Tensor] = norm
    qkv_bias: bool = True
    bias: bool = True
    turned: Callable[[Tensor, int], Tensor] | None = None  # queries and keys of a block, by its number

    def block(self, x: Tensor, number: int) -> Tensor:
        """Attention and MLP, each on the normalized tokens and added to them."""
        name, width = f"block{number}", x.shape[-1]
        y = dense(self.norm(x, f"{name}_norm1"), 3 * width, f"{name}_qkv", self.qkv_bias)
        if self.turned is not None:
            y = self.turned(y, number)
        y = SelfAttention(self.heads, causal=self.causal, name=f"{name}_attention")(y)
        x = self.residual(x, dense(y, width, f"{name}_projection", self.bias), number, 1)
        y = self.norm(x, f"{name}_norm2")
        if self.mlp == "swiglu":
            y = SwiGLU(name=f"{name}_gate")(dense(y, 2 * self.hidden, f"{name}_mlp1", self.bias))
        else:
            y = dense(y, self.hidden, f"{name}_mlp1", self.bias)
            y = keras.layers.Activation(ACTIVATIONS[self.mlp], name=f"{name}_activation")(y)
        return self.residual(x, dense(y, width, f"{name}_mlp2", self.bias), number, 2)

    def pool_layers(self, width: int) -> dict[str, keras.layers.Layer]:
        """The layers that pool by attention, and the network that follows, by their names."""
        activation = ACTIVATIONS.get(self.mlp, ACTIVATIONS["gelu"])
        layers = [
            AttentionPooling(self.heads, name="pool"),
            keras.layers.Dense(width, kernel_initializer=SmallNormal(), name="pool_projection"),
            keras.layers.LayerNormalization(epsilon=1e-6, name="pool_norm"),
            keras.layers.Dense(self.hidden, kernel_initializer=SmallNormal(), name="pool_mlp1"),
            keras.layers.Activation(activation, name="pool_activation"),
            keras.layers.Dense(width, kernel_initializer=SmallNormal(), name="pool_mlp2"),
            keras.layers.Add(name="pool_add"),
        ]
        return {layer.name: layer for layer in layers}

    def residual(self, x: Tensor, branch: Tensor, number: int, part: int) -> Tensor:
        """`x` and the scaled branch, which is dropped the more often the deeper it lies: the first never."""
        if self.layer_scale is not None:
            branch = LayerScale(self.layer_scale, name=f"block{number}_scale{part}")(branch)
        if self.drop_path and number > 1:
            rate = self.drop_path * (number - 1) / (self.depth - 1)
            column = 2 * (number - 1) + part - 1
            branch = DropPath(rate, column, name=f"block{number}_drop{part}")([branch, self.draws])
        return keras.layers.Add(name=f"block{number}_add{part}")([x, branch])


def pool(x: Tensor, first_patch: int, pooling: str | None, trunk: Trunk) -> Tensor:
    """What an encoder gives of its last tokens."""
    if pooling is None:
        return x
    if pooling == "class":
        return x[:, 0]
    if pooling == "attention":
        return attention_pooled(x, trunk.pool_layers(x.shape[-1]))
    mean = keras.layers.GlobalAveragePooling1D(data_format="channels_last", name="pool")(x[:, first_patch:])
    return mean if pooling == "mean" else keras.layers.Concatenate(name="class_mean")([x[:, 0], mean])


def attention_pooled(x: Tensor, layers: Mapping[str, keras.layers.Layer]) -> Tensor:
    """Tokens pooled by `Trunk.pool_layers`: `y + mlp2(activation(mlp1(norm(y))))` of `y = projection(attention(x))`."""
    y = layers["pool_projection"](layers["pool"](x))
    z = layers["pool_mlp1"](layers["pool_norm"](y))
    return layers["pool_add"]([y, layers["pool_mlp2"](layers["pool_activation"](z))])
