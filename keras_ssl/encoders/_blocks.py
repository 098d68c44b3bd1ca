"""What the convolutional encoders share: convolution with batch norm, the pooled output, argument checks."""

from collections.abc import Sequence

import keras

from keras_ssl.encoders.fan_out_normal import FanOutNormal
from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


def conv_bn(
    x: Tensor,
    filters: int,
    kernel: int,
    strides: int = 1,
    *,
    conv_name: str,
    bn_name: str,
    gamma: str = "ones",
) -> Tensor:
    """A convolution without bias, padded by `kernel // 2` on every side as PyTorch does, and a batch norm."""
    # "same" pads unevenly where there is a stride: converted weights would see an image shifted by a pixel.
    padded = "valid" if strides > 1 else "same"
    if strides > 1 and kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, data_format="channels_last", name=f"{conv_name}_pad")(x)
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides,
        padding=padded,
        data_format="channels_last",
        use_bias=False,
        kernel_initializer=FanOutNormal(),
        name=conv_name,
    )(x)
    return BatchNormalization(gamma_initializer=gamma, name=bn_name)(x)


def relu(x: Tensor, name: str) -> Tensor:
    """A named ReLU."""
    return keras.layers.Activation("relu", name=name)(x)


def features(x: Tensor, pooling: str | None) -> Tensor:
    """The encoder's output: the mean over positions `[N, D]`, or the feature map itself."""
    if pooling is None:
        return x
    return keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(x)


def check_image_arguments(
    input_shape: Sequence[int | None],
    pooling: str | None,
    poolings: Sequence[str | None] = ("avg", None),
    channels: int | None = None,
) -> tuple[int | None, ...]:
    """Validates what every image encoder takes and returns `input_shape` as a tuple; `poolings` are those it knows.

    `channels` takes the place of the last of `input_shape`, unless it is None.

    Raises:
        ValueError: if `input_shape` is not (height, width, channels), `channels` is no number of them, or `pooling` is
            unknown.
    """
    shape = tuple(input_shape)
    if channels is not None and len(shape) == 3:
        shape = (*shape[:2], check_integer("channels", channels, 1))
    if len(shape) != 3 or not isinstance(shape[2], int) or any(n is not None and n < 1 for n in shape):
        raise ValueError(
            "`input_shape` must be (height, width, channels), where height and width may be None. "
            f"Received: input_shape={input_shape}"
        )
    if pooling not in poolings:
        known = ", ".join(repr(kind) for kind in poolings[:-1])
        raise ValueError(f"`pooling` must be {known} or {poolings[-1]!r}. Received: pooling={pooling}")
    return shape
