"""ResNet encoders in torchvision's layout, so that converted PyTorch weights give the same features."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments, conv_bn, features, relu
from keras_ssl.typing import Tensor

_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
_STEMS = ("imagenet", "cifar", "cifar_pool")


@keras.saving.register_keras_serializable(package="keras_ssl")
class ResNet(keras.Model):
    """A residual network that maps images `[N, H, W, C]` to features `[N, D]`.

    The layout is torchvision's ("v1.5"): in a bottleneck the stride is in the 3x3 convolution, padding is
    symmetric, convolutions have no bias and He-normal (fan out) weights. `D` is `512 * width` for depths 18
    and 34 and `2048 * width` for the deeper ones. Any image size works where `input_shape` says None.

    Layer names are a public weight format: `stem_conv`, `stem_bn`, and for each stage 1 to 4 and block from 1
    `stage1_block1_conv1`, `stage1_block1_bn1`, ..., and where the shortcut is not the identity
    `stage1_block1_shortcut_conv`, `stage1_block1_shortcut_bn`.

    Args:
        depth: 18, 34 (two 3x3 convolutions per block), 50, 101, 152 or 200 (bottlenecks). Defaults to 50.
        width: factor of the number of channels of every layer, as SimCLR, BYOL and VICReg mean "2x" and "x2"
            (torchvision's `wide_resnet50_2` is another network: only its bottlenecks are wider inside);
            `64 * width` must be an integer. Defaults to 1.
        stem: "imagenet": 7x7 convolution of stride 2, then 3x3 max pooling of stride 2; "cifar": 3x3 convolution of
            stride 1 without pooling, for images of about 32 pixels; or "cifar_pool": that with the pooling, for about
            64 pixels. Defaults to "imagenet".
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        pooling: "avg", or None for the last feature map `[N, H', W', D]`. Defaults to "avg".
        zero_init_residual: whether the last batch norm of each block starts with `gamma = 0`, so that blocks
            start as identities. Defaults to True.
        pool_padding: of the stem's pooling: "symmetric", as PyTorch pads; or "same", as TensorFlow does, which on a map
            of even size adds a row and a column at its end only. SimCLR's published networks have "same". Defaults to
            "symmetric".
        channels: number of channels of the images, in place of that of `input_shape`: 1 for gray images, 13 for
            Sentinel-2. Defaults to None: as `input_shape` says.
        name: name of the model. Defaults to one made from the depth, as in "resnet50".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = ResNet(18, width=0.125, stem="cifar")
    >>> tuple(encoder(keras.ops.zeros((2, 32, 32, 3))).shape)
    (2, 64)

    References: He et al., "Deep residual learning for image recognition", CVPR 2016,
    https://arxiv.org/abs/1512.03385; Goyal et al., 2017, https://arxiv.org/abs/1706.02677, for the zero
    initialization; Chen et al., 2020, https://arxiv.org/abs/2002.05709, for the stem on small images and the
    width.
    """

    def __init__(
        self,
        depth: int = 50,
        width: float = 1,
        stem: str = "imagenet",
        input_shape: Sequence[int | None] = (None, None, 3),
        pooling: str | None = "avg",
        zero_init_residual: bool = True,
        pool_padding: str = "symmetric",
        channels: int | None = None,
        name: str | None = None,
    ) -> None:
        if depth not in _BLOCKS:
            raise ValueError(f"`depth` must be one of {sorted(_BLOCKS)}. Received: depth={depth}")
        if not width > 0 or 64 * width != int(64 * width):
            raise ValueError(f"`64 * width` must be a positive integer. Received: width={width}")
        if stem not in _STEMS:
            raise ValueError(f"`stem` must be one of {_STEMS}. Received: stem={stem!r}")
        if pool_padding not in ("symmetric", "same"):
            raise ValueError(f"`pool_padding` must be 'symmetric' or 'same'. Received: pool_padding={pool_padding!r}")
        image_shape = check_image_arguments(input_shape, pooling, channels=channels)

        filters = int(64 * width)
        block: Callable[..., Tensor] = _bottleneck if depth >= 50 else _basic_block
        gamma = "zeros" if zero_init_residual else "ones"
        inputs = keras.Input(image_shape, name="images")
        x = _stem(inputs, filters, stem, pool_padding)
        for stage, blocks in enumerate(_BLOCKS[depth], start=1):
            for number in range(1, blocks + 1):
                strides = 2 if stage > 1 and number == 1 else 1
                x = block(x, filters * 2 ** (stage - 1), strides, gamma, f"stage{stage}_block{number}")
        super().__init__(inputs=inputs, outputs=features(x, pooling), name=name or f"resnet{depth}")

        self.depth = depth
        self.width = width
        self.stem = stem
        self.image_shape = image_shape
        self.pooling = pooling
        self.zero_init_residual = zero_init_residual
        self.pool_padding = pool_padding
        self.channels = channels

    def get_config(self) -> dict[str, Any]:
        return {
            "depth": self.depth,
            "width": self.width,
            "stem": self.stem,
            "input_shape": self.image_shape,
            "pooling": self.pooling,
            "zero_init_residual": self.zero_init_residual,
            "pool_padding": self.pool_padding,
            "channels": self.channels,
            "name": self.name,
        }


def _stem(x: Tensor, channels: int, kind: str, pool_padding: str) -> Tensor:
    kernel, strides = (7, 2) if kind == "imagenet" else (3, 1)
    x = conv_bn(x, channels, kernel, strides, conv_name="stem_conv", bn_name="stem_bn")
    x = relu(x, "stem_relu")
    if kind == "cifar":
        return x
    padding = "same"
    if pool_padding == "symmetric":
        # Zeros pad a maximum as well as -inf does: what the ReLU lets through is not negative.
        x = keras.layers.ZeroPadding2D(1, data_format="channels_last", name="stem_pool_pad")(x)
        padding = "valid"
    return keras.layers.MaxPooling2D(3, 2, padding, data_format="channels_last", name="stem_pool")(x)


def _shortcut(x: Tensor, channels: int, strides: int, name: str) -> Tensor:
    if strides == 1 and x.shape[-1] == channels:
        return x
    return conv_bn(x, channels, 1, strides, conv_name=f"{name}_shortcut_conv", bn_name=f"{name}_shortcut_bn")


def _residual(x: Tensor, branch: Tensor, strides: int, name: str) -> Tensor:
    shortcut = _shortcut(x, branch.shape[-1], strides, name)
    return relu(keras.layers.Add(name=f"{name}_add")([shortcut, branch]), f"{name}_relu")


def _basic_block(x: Tensor, channels: int, strides: int, gamma: str, name: str) -> Tensor:
    y = conv_bn(x, channels, 3, strides, conv_name=f"{name}_conv1", bn_name=f"{name}_bn1")
    y = relu(y, f"{name}_relu1")
    y = conv_bn(y, channels, 3, conv_name=f"{name}_conv2", bn_name=f"{name}_bn2", gamma=gamma)
    return _residual(x, y, strides, name)


def _bottleneck(x: Tensor, channels: int, strides: int, gamma: str, name: str) -> Tensor:
    y = conv_bn(x, channels, 1, conv_name=f"{name}_conv1", bn_name=f"{name}_bn1")
    y = relu(y, f"{name}_relu1")
    y = conv_bn(y, channels, 3, strides, conv_name=f"{name}_conv2", bn_name=f"{name}_bn2")
    y = relu(y, f"{name}_relu2")
    y = conv_bn(y, 4 * channels, 1, conv_name=f"{name}_conv3", bn_name=f"{name}_bn3", gamma=gamma)
    return _residual(x, y, strides, name)
