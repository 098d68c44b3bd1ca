"""ConvNeXt encoders, of both versions, in their authors' layout."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.drop_path import DropPath
from keras_ssl.layers.gelu import gelu
from keras_ssl.layers.global_response_norm import GlobalResponseNorm
from keras_ssl.layers.layer_scale import LayerScale
from keras_ssl.layers.uniform_draws import UniformDraws
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

CONVNEXTS = {  # width of the first stage, which doubles at each, and numbers of blocks
    "A": (40, (2, 2, 6, 2)),
    "F": (48, (2, 2, 6, 2)),
    "P": (64, (2, 2, 6, 2)),
    "N": (80, (2, 2, 8, 2)),
    "T": (96, (3, 3, 9, 3)),
    "S": (96, (3, 3, 27, 3)),
    "B": (128, (3, 3, 27, 3)),
    "L": (192, (3, 3, 27, 3)),
    "XL": (256, (3, 3, 27, 3)),
    "H": (352, (3, 3, 27, 3)),
}


@keras.saving.register_keras_serializable(package="keras_ssl")
class ConvNeXt(keras.Model):
    """A convolutional network with a transformer's layout, from images `[N, H, W, C]` to features `[N, D]`.

    A convolution cuts the image into patches, four stages of blocks follow, and before each but the first a
    normalization and a 2x2 convolution of stride 2 halve the map (an odd row or column at the end is not seen). A block
    is, with a 7x7 convolution of each channel by itself,

        x = x + g * mlp2(grn(gelu(mlp1(norm(conv(x))))))

    where version 1 has a layer scale `g` and no `grn`, and version 2 `keras_ssl.layers.GlobalResponseNorm` and no `g`.
    Features are the normalized mean of the last map; `D` is 8 times the first stage's width. Normalizations are over
    channels, with an epsilon of 1e-6.

    - ConvNeXt: `ConvNeXt("T")`; DINOv3's and EUPE's too;
    - ConvNeXt V2: `ConvNeXt("A", version=2)`; its FCMAE encoders, which are published without the last normalization,
      also have `final_norm=False`.

    Layer names are a public weight format: `stem_conv`, `stem_norm`, `stage2_downsample_norm`,
    `stage2_downsample_conv`, for each stage 1 to 4 and block from 1 `stage1_block1_conv`, `stage1_block1_norm`,
    `stage1_block1_mlp1`, `stage1_block1_grn`, `stage1_block1_mlp2`, `stage1_block1_scale`, then `norm`.

    Args:
        variant: width of the first stage and numbers of blocks by name: "A" (40: 2, 2, 6, 2), "F" (48: 2, 2, 6, 2), "P"
            (64: 2, 2, 6, 2), "N" (80: 2, 2, 8, 2), "T" (96: 3, 3, 9, 3), "S" (96: 3, 3, 27, 3), "B" (128), "L" (192),
            "XL" (256), "H" (352), the last four as deep as "S". Defaults to "T".
        width: of the first stage; None (default) is the variant's.
        depths: numbers of blocks of the four stages; None (default) are the variant's.
        patch_size: side of the stem's patches in pixels. Images must have 8 times as many a side. Defaults to 4; 1 or 2
            suit images of 16 to 64 pixels.
        version: 1 (default) or 2.
        layer_scale: the layer scale's initial value, of version 1. Defaults to 1e-6.
        drop_path: probability of leaving out the last block in training (see `keras_ssl.layers.DropPath`); it rises
            from 0 at the first block in equal steps. Defaults to 0.
        final_norm: whether features are normalized. Defaults to True.
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        pooling: "avg", or None for the last feature map `[N, H', W', D]`, each place normalized. Defaults to "avg".
        channels: number of channels of the images, in place of that of `input_shape`. Defaults to None.
        name: name of the model. Defaults to one made from the variant, as in "conv_next_t".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = ConvNeXt(width=8, depths=(1, 1, 1, 1))
    >>> tuple(encoder(keras.ops.zeros((2, 32, 48, 3))).shape)
    (2, 64)

    References: Liu et al., "A ConvNet for the 2020s", CVPR 2022, https://arxiv.org/abs/2201.03545; Woo et al.,
    "ConvNeXt V2", CVPR 2023, https://arxiv.org/abs/2301.00808.
    """

    def __init__(
        self,
        variant: str = "T",
        width: int | None = None,
        depths: Sequence[int] | None = None,
        patch_size: int = 4,
        version: int = 1,
        layer_scale: float = 1e-6,
        drop_path: float = 0.0,
        final_norm: bool = True,
        input_shape: Sequence[int | None] = (None, None, 3),
        pooling: str | None = "avg",
        channels: int | None = None,
        name: str | None = None,
    ) -> None:
        if variant not in CONVNEXTS:
            raise ValueError(f"`variant` must be one of {sorted(CONVNEXTS)}. Received: variant={variant!r}")
        usual_width, usual_depths = CONVNEXTS[variant]
        first = usual_width if width is None else check_integer("width", width, 1)
        blocks = usual_depths if depths is None else tuple(check_integer("depths", depth, 1) for depth in depths)
        if len(blocks) != 4:
            raise ValueError(f"`depths` must hold four numbers. Received: depths={depths}")
        patch_size = check_integer("patch_size", patch_size, 1)
        version = check_integer("version", version, 1, 2)
        check_positive("layer_scale", layer_scale)
        if not 0.0 <= drop_path < 1.0:
            raise ValueError(f"`drop_path` must lie in [0, 1). Received: drop_path={drop_path}")
        image_shape = check_image_arguments(input_shape, pooling, channels=channels)
        if any(side is not None and side < 8 * patch_size for side in image_shape[:2]):
            raise ValueError(
                f"`input_shape` must have sides of {8 * patch_size} pixels or more. Received: input_shape={input_shape}"
            )

        inputs = keras.Input(image_shape, name="images")
        x = _norm(_strided(inputs, first, patch_size, "stem_conv"), "stem_norm")
        draws = UniformDraws(sum(blocks), name="draws")(x) if drop_path else None
        done = 0
        for stage, count in enumerate(blocks, start=1):
            if stage > 1:
                x = _norm(x, f"stage{stage}_downsample_norm")
                x = _strided(x, first * 2 ** (stage - 1), 2, f"stage{stage}_downsample_conv")
            for number in range(1, count + 1):
                branch = _branch(x, version, layer_scale, f"stage{stage}_block{number}")
                if drop_path and done:
                    rate = drop_path * done / (sum(blocks) - 1)
                    branch = DropPath(rate, done, name=f"stage{stage}_block{number}_drop")([branch, draws])
                x = keras.layers.Add(name=f"stage{stage}_block{number}_add")([x, branch])
                done += 1
        if pooling is not None:
            x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(x)
        if final_norm:
            x = _norm(x, "norm")
        super().__init__(inputs=inputs, outputs=x, name=name or f"conv_next_{variant.lower()}")

        self.variant = variant
        self.first_width = width
        self.depths = None if depths is None else blocks
        self.stem_size = patch_size
        self.version = version
        self.layer_scale = layer_scale
        self.drop_path = drop_path
        self.final_norm = bool(final_norm)
        self.image_shape = image_shape
        self.pooling = pooling
        self.channels = channels

    def get_config(self) -> dict[str, Any]:
        return {
            "variant": self.variant,
            "width": self.first_width,
            "depths": self.depths,
            "patch_size": self.stem_size,  # not under its own name: it is no side of tokens, as a transformer's is
            "version": self.version,
            "layer_scale": self.layer_scale,
            "drop_path": self.drop_path,
            "final_norm": self.final_norm,
            "input_shape": self.image_shape,
            "pooling": self.pooling,
            "channels": self.channels,
            "name": self.name,
        }


def _norm(x: Tensor, name: str) -> Tensor:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)(x)


def _strided(x: Tensor, filters: int, side: int, name: str) -> Tensor:
    """A convolution that sees every pixel once."""
    return keras.layers.Conv2D(
        filters, side, side, data_format="channels_last", kernel_initializer=SmallNormal(), name=name
    )(x)


def _branch(x: Tensor, version: int, layer_scale: float, name: str) -> Tensor:
    width = x.shape[-1]
    x = keras.layers.DepthwiseConv2D(
        7, padding="same", data_format="channels_last", depthwise_initializer=SmallNormal(), name=f"{name}_conv"
    )(x)
    x = keras.layers.Dense(4 * width, kernel_initializer=SmallNormal(), name=f"{name}_mlp1")(_norm(x, f"{name}_norm"))
    x = keras.layers.Activation(gelu, name=f"{name}_activation")(x)
    if version == 2:
        x = GlobalResponseNorm(name=f"{name}_grn")(x)
    x = keras.layers.Dense(width, kernel_initializer=SmallNormal(), name=f"{name}_mlp2")(x)
    return x if version == 2 else LayerScale(layer_scale, name=f"{name}_scale")(x)
