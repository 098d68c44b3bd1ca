"""A scattering transform with a small trained network behind it."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders._blocks import check_image_arguments, conv_bn, features, relu
from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.layers.scattering_transform import ScatteringTransform2D


@keras.saving.register_keras_serializable(package="keras_ssl")
class ScatteringNet(keras.Model):
    """A `ScatteringTransform2D`, batch normalization, and 3x3 convolutions with batch norm and ReLU: the adapter.

    The transform is fixed; only the adapter learns, which needs fewer weights than a network on pixels. ScatSimCLR's
    adapters consist of 8 to 45 residual blocks; this one is as long as `widths`.

    Layer names are a public weight format: `scattering_bn`, `block1_conv`, `block1_bn`, ...

    Args:
        widths: number of channels of each convolution of the adapter, at least one. Defaults to (64, 128).
        scales: of the transform; its maps are `2^scales` times smaller than the images. Defaults to 2.
        angles: of the transform. Defaults to 8.
        order: of the transform: 0, 1 or 2. Defaults to 2.
        input_shape: (height, width, channels). Defaults to (None, None, 3).
        pooling: "avg", or None for the last feature map `[N, H', W', D]`. Defaults to "avg".
        name: name of the model. Defaults to "scattering_net".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = ScatteringNet(widths=(8,), scales=1, angles=4, order=1)
    >>> tuple(encoder(keras.ops.zeros((2, 16, 16, 3))).shape)
    (2, 8)

    Reference:
        Kinakh et al., "ScatSimCLR: Self-Supervised Contrastive Learning with Pretext Task Regularization for
        Small-Scale Datasets", 2021.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128),
        scales: int = 2,
        angles: int = 8,
        order: int = 2,
        input_shape: Sequence[int | None] = (None, None, 3),
        pooling: str | None = "avg",
        name: str | None = None,
    ) -> None:
        widths = tuple(widths)
        if not widths or any(width < 1 or width != int(width) for width in widths):
            raise ValueError(f"`widths` must hold positive integers, at least one. Received: widths={widths}")
        image_shape = check_image_arguments(input_shape, pooling)
        inputs = keras.Input(image_shape, name="images")
        x = ScatteringTransform2D(scales, angles, order, name="scattering")(inputs)
        x = BatchNormalization(name="scattering_bn")(x)
        for number, width in enumerate(widths, start=1):
            block = f"block{number}"
            x = conv_bn(x, width, 3, conv_name=f"{block}_conv", bn_name=f"{block}_bn")
            x = relu(x, f"{block}_relu")
        super().__init__(inputs=inputs, outputs=features(x, pooling), name=name or "scattering_net")
        self.widths = widths
        self.scales, self.angles, self.order = scales, angles, order
        self.image_shape = image_shape
        self.pooling = pooling

    def get_config(self) -> dict[str, Any]:
        return {
            "widths": self.widths,
            "scales": self.scales,
            "angles": self.angles,
            "order": self.order,
            "input_shape": self.image_shape,
            "pooling": self.pooling,
            "name": self.name,
        }
