"""A small convolutional encoder for small images on a CPU."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments, conv_bn, features, relu


@keras.saving.register_keras_serializable(package="keras_ssl")
class ConvNet(keras.Model):
    """A plain network that maps images `[N, H, W, C]` to features `[N, D]`, `D` being the last width.

    Each block is a 3x3 convolution without bias, batch normalization and ReLU; 2x2 max pooling between blocks
    halves the map. It is meant for images of 16 to 32 pixels on a few CPU cores, where the first and largest
    map takes most of the time: to get more from a network, widen it at the end (the last width is also `D`)
    rather than at the start. Pooling takes less time than convolutions of stride 2 and learns more per epoch.

    Layer names are a public weight format: `block1_conv`, `block1_bn`, `block2_conv`, ...

    Args:
        widths: number of channels of each block, at least one. Defaults to (16, 32, 64, 128).
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        pooling: "avg", or None for the last feature map `[N, H', W', D]`. Defaults to "avg".
        name: name of the model. Defaults to "conv_net".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = ConvNet(widths=(8, 16))
    >>> tuple(encoder(keras.ops.zeros((2, 16, 16, 3))).shape)
    (2, 16)
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 128),
        input_shape: Sequence[int | None] = (None, None, 3),
        pooling: str | None = "avg",
        name: str | None = None,
    ) -> None:
        widths = tuple(widths)
        if not widths or any(width < 1 or width != int(width) for width in widths):
            raise ValueError(f"`widths` must hold positive integers, at least one. Received: widths={widths}")
        image_shape = check_image_arguments(input_shape, pooling)

        inputs = keras.Input(image_shape, name="images")
        x = inputs
        for number, width in enumerate(widths, start=1):
            block = f"block{number}"
            if number > 1:
                # "same" keeps the last row of an odd map, and a map of one pixel.
                x = keras.layers.MaxPooling2D(2, padding="same", data_format="channels_last", name=f"{block}_pool")(x)
            x = conv_bn(x, width, 3, conv_name=f"{block}_conv", bn_name=f"{block}_bn")
            x = relu(x, f"{block}_relu")
        super().__init__(inputs=inputs, outputs=features(x, pooling), name=name or "conv_net")

        self.widths = widths
        self.image_shape = image_shape
        self.pooling = pooling

    def get_config(self) -> dict[str, Any]:
        return {
            "widths": self.widths,
            "input_shape": self.image_shape,
            "pooling": self.pooling,
            "name": self.name,
        }
