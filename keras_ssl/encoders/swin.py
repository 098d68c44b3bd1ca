"""Swin Transformers, of the first version, in their authors' layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments
from keras_ssl.encoders._trunk import check_holds_patch, dense, patch_embedding
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.drop_path import DropPath
from keras_ssl.layers.gelu import gelu
from keras_ssl.layers.space_to_depth import SpaceToDepth
from keras_ssl.layers.uniform_draws import UniformDraws
from keras_ssl.layers.window_attention import WindowAttention
from keras_ssl.layers.window_padding import WindowPadding
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

SWINS = {  # width of the first stage, numbers of blocks, numbers of heads
    "T": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "S": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "B": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "L": (192, (2, 2, 18, 2), (6, 12, 24, 48)),
}


@keras.saving.register_keras_serializable(package="keras_ssl")
class Swin(keras.Model):
    """A transformer that attends inside windows of a map, from images `[N, H, W, C]` to features `[N, D]`.

    A linear map makes a token of each square patch (what is left over at the right and lower edge is not seen), a
    normalization follows, then four stages of blocks. Before each stage but the first, 2 x 2 tokens become one
    (`keras_ssl.layers.SpaceToDepth`), which a normalization and a linear map to twice the width follow. A block is

        x = x + projection(attention(qkv(norm1(x))))
        x = x + mlp2(gelu(mlp1(norm2(x))))

    where attention is `keras_ssl.layers.WindowAttention`, in every second block with shifted windows. Features are the
    mean of the last map, whose places are normalized; `D` is 8 times the first stage's width.

    Images may have any size. As in the authors' code for detection, a map that is no whole number of windows is padded
    by zeros after `norm1`, which are seen, and cut again; a map of an odd side is padded before 2 x 2 tokens become
    one. Along a side no longer than a window nothing is shifted. With windows of 7, images of 224 pixels need no
    padding. The authors' code for classification makes a stage's window as small as the map that it is made for, which
    then has fewer biases: such weights need `window` by stage.

    - Swin: `Swin("T")`, with `window=12` for those of 384 pixels;
    - MoBY: the same; SimMIM's of 192 pixels: `Swin("B", window=6)` and `Swin("L", window=(12, 12, 12, 6))`;
    - EsViT and iBOT: `Swin("T", norm_epsilon=1e-6)`; with windows of 14 `window=(14, 14, 14, 7)`.

    Layer names are a public weight format: `patch_embedding`, `patch_norm`, `stage2_downsample_norm`,
    `stage2_downsample_dense`, for each stage 1 to 4 and block from 1 `stage1_block1_norm1`, `stage1_block1_qkv`,
    `stage1_block1_attention`, `stage1_block1_projection`, `stage1_block1_norm2`, `stage1_block1_mlp1`,
    `stage1_block1_mlp2`, then `norm`. The map that leaves a block is the output of `stage1_block1_add2`.

    Args:
        variant: width of the first stage, numbers of blocks and heads by name: "T" (96: 2, 2, 6, 2; 3, 6, 12, 24), "S"
            (96: 2, 2, 18, 2; 3, 6, 12, 24), "B" (128: 2, 2, 18, 2; 4, 8, 16, 32), "L" (192: 2, 2, 18, 2; 6, 12, 24,
            48). Defaults to "T".
        window: side of a window in places, or four of them by stage. Defaults to 7.
        width: of the first stage; None (default) is the variant's.
        depths: numbers of blocks of the four stages; None (default) are the variant's.
        heads: numbers of heads of the four stages, each of which must divide the stage's width; None (default) are the
            variant's.
        patch_size: side of a patch in pixels. Defaults to 4; 1 or 2 suit images of 16 to 64 pixels.
        mlp_ratio: width of the hidden layer over that of the tokens. Defaults to 4.
        drop_path: probability of leaving out each of the last block's two branches in training (see
            `keras_ssl.layers.DropPath`); it rises from 0 at the first block in equal steps. Defaults to 0.
        norm_epsilon: of all normalizations. Defaults to 1e-5.
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        pooling: "avg", or None for the last feature map `[N, H', W', D]`, each place normalized. Defaults to "avg".
        channels: number of channels of the images, in place of that of `input_shape`. Defaults to None.
        name: name of the model. Defaults to one made from the variant, as in "swin_t".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = Swin(width=8, depths=(1, 1, 2, 1), heads=(1, 1, 2, 2), window=4)
    >>> tuple(encoder(keras.ops.zeros((2, 32, 48, 3))).shape)
    (2, 64)

    References: Liu et al., "Swin Transformer: hierarchical vision transformer using shifted windows", ICCV 2021,
    https://arxiv.org/abs/2103.14030.
    """

    def __init__(
        self,
        variant: str = "T",
        window: int | Sequence[int] = 7,
        width: int | None = None,
        depths: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        patch_size: int = 4,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        norm_epsilon: float = 1e-5,
        input_shape: Sequence[int | None] = (None, None, 3),
        pooling: str | None = "avg",
        channels: int | None = None,
        name: str | None = None,
    ) -> None:
        if variant not in SWINS:
            raise ValueError(f"`variant` must be one of {sorted(SWINS)}. Received: variant={variant!r}")
        usual_width, usual_depths, usual_heads = SWINS[variant]
        first = usual_width if width is None else check_integer("width", width, 1)
        blocks = _by_stage("depths", usual_depths if depths is None else depths)
        head_counts = _by_stage("heads", usual_heads if heads is None else heads)
        windows = _by_stage("window", window if isinstance(window, Sequence) else [window] * 4)
        if any(first * 2**stage % count for stage, count in enumerate(head_counts)):
            raise ValueError(
                f"`heads` must divide the stages' widths, {first} and its doubles. Received: heads={heads}"
            )
        patch_size = check_integer("patch_size", patch_size, 1)
        check_positive("mlp_ratio", mlp_ratio)
        check_positive("norm_epsilon", norm_epsilon)
        if not 0.0 <= drop_path < 1.0:
            raise ValueError(f"`drop_path` must lie in [0, 1). Received: drop_path={drop_path}")
        image_shape = check_image_arguments(input_shape, pooling, channels=channels)
        check_holds_patch(input_shape, patch_size)

        inputs = keras.Input(image_shape, name="images")
        x = _norm(patch_embedding(inputs, first, patch_size), norm_epsilon, "patch_norm")
        draws = UniformDraws(2 * sum(blocks), name="draws")(x) if drop_path else None
        trunk = _Trunk(sum(blocks), mlp_ratio, norm_epsilon, drop_path, draws)
        done = 0
        for stage, count in enumerate(blocks, start=1):
            if stage > 1:
                x = SpaceToDepth(name=f"stage{stage}_downsample_join")(x)
                x = _norm(x, norm_epsilon, f"stage{stage}_downsample_norm")
                x = dense(x, first * 2 ** (stage - 1), f"stage{stage}_downsample_dense", bias=False)
            for number in range(1, count + 1):
                sizes = head_counts[stage - 1], windows[stage - 1]
                x = trunk.block(x, *sizes, number % 2 == 0, done, f"stage{stage}_block{number}")
                done += 1
        x = _norm(x, norm_epsilon, "norm")
        if pooling is not None:
            x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(x)
        super().__init__(inputs=inputs, outputs=x, name=name or f"swin_{variant.lower()}")

        self.variant = variant
        self.window = windows if len(set(windows)) > 1 else windows[0]
        self.first_width = width
        self.depths = None if depths is None else blocks
        self.heads = None if heads is None else head_counts
        self.stem_size = patch_size
        self.mlp_ratio = mlp_ratio
        self.drop_path = drop_path
        self.norm_epsilon = norm_epsilon
        self.image_shape = image_shape
        self.pooling = pooling
        self.channels = channels
        self.prefix = 0
        self.token_width = 8 * first
        self.place_size = 8 * patch_size
        self.usual_size = windows[-1] * self.place_size

    def grid(self, input_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """Rows and columns of the last map of images `[N, H, W, C]`, whose sides must be multiples of `place_size`."""
        sides = input_shape[1:3]
        if any(side is None or side % self.place_size for side in sides):
            raise ValueError(
                f"The sides of the images must be multiples of {self.place_size} here. "
                f"Received: shape={tuple(input_shape)}"
            )
        rows, columns = (int(side or 0) // self.place_size for side in sides)
        return rows, columns

    def patches(self, images: Tensor) -> Tensor:
        """The pixels that each place of the last map stands for: `[N, T, place_size^2 * C]`, row by row."""
        ops, side = keras.ops, self.place_size
        rows, columns = self.grid(images.shape)
        parts = ops.reshape(images, (-1, rows, side, columns, side, images.shape[-1]))
        return ops.reshape(ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, side**2 * images.shape[-1]))

    def encode(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Places of the last map, normalized, `[N, T, D]`, of tokens after `patch_norm`, `[N, H', W', width]`."""
        body = keras.Model(self.get_layer("patch_norm").output, self.get_layer("norm").output)
        made = body(tokens, training=training)
        return keras.ops.reshape(made, (-1, made.shape[1] * made.shape[2], made.shape[3]))

    def pool(self, tokens: Tensor) -> Tensor:
        """The features of encoded places `[N, T, D]`: their mean."""
        return keras.ops.mean(tokens, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            "variant": self.variant,
            "window": self.window,
            "width": self.first_width,
            "depths": self.depths,
            "heads": self.heads,
            "patch_size": self.stem_size,  # not under its own name: it is no side of what the last map's places see
            "mlp_ratio": self.mlp_ratio,
            "drop_path": self.drop_path,
            "norm_epsilon": self.norm_epsilon,
            "input_shape": self.image_shape,
            "pooling": self.pooling,
            "channels": self.channels,
            "name": self.name,
        }


@dataclass(frozen=True)
class _Trunk:
    """What all blocks have in common."""

    depth: int
    mlp_ratio: float
    epsilon: float
    drop_path: float
    draws: Tensor

    def block(self, x: Tensor, heads: int, window: int, shifted: bool, done: int, name: str) -> Tensor:
        """A block, before which there are `done` others."""
        width = x.shape[-1]
        y = WindowPadding(window, name=f"{name}_pad")(_norm(x, self.epsilon, f"{name}_norm1"))
        y = dense(y, 3 * width, f"{name}_qkv")
        y = WindowAttention(heads, window, shifted, SmallNormal(), name=f"{name}_attention")([y, x])
        x = self._residual(x, dense(y, width, f"{name}_projection"), done, 1, name)
        y = dense(_norm(x, self.epsilon, f"{name}_norm2"), int(self.mlp_ratio * width), f"{name}_mlp1")
        y = keras.layers.Activation(gelu, name=f"{name}_activation")(y)
        return self._residual(x, dense(y, width, f"{name}_mlp2"), done, 2, name)

    def _residual(self, x: Tensor, branch: Tensor, done: int, part: int, name: str) -> Tensor:
        if self.drop_path and done:
            rate = self.drop_path * done / (self.depth - 1)
            branch = DropPath(rate, 2 * done + part - 1, name=f"{name}_drop{part}")([branch, self.draws])
        return keras.layers.Add(name=f"{name}_add{part}")([x, branch])


def _norm(x: Tensor, epsilon: float, name: str) -> Tensor:
    return keras.layers.LayerNormalization(epsilon=epsilon, name=name)(x)


def _by_stage(name: str, values: Sequence[int]) -> tuple[int, ...]:
    made = tuple(check_integer(name, value, 1) for value in values)
    if len(made) != 4:
        raise ValueError(f"`{name}` must hold four numbers. Received: {name}={values}")
    return made
