"""A block of convolutions that doubles the side of a map and predicts an image from it."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["UpsamplingBlock"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class UpsamplingBlock(Configured, keras.layers.Layer):
    """Doubles the side of a map `[N, H, W, D]`, and predicts an image `[N, 2H, 2W, C]` from the larger map.

    A transposed convolution of 4 x 4 and stride 2, layer normalization over channels and a leaky ReLU of slope 0.01;
    then `x + 0.5 * conv(relu(conv(x)))` and another normalization. The image is a convolution of the result.
    Convolutions are of 3 x 3.

    Args:
        channels: channels C of the image.
        **kwargs: `name`, `dtype`.

    Output: the map `[N, 2H, 2W, D]` and the image.

    Raises:
        ValueError: if `channels` is not a positive integer.

    Example:

    >>> larger, image = UpsamplingBlock(3)(keras.ops.zeros((1, 4, 4, 8)))
    >>> tuple(larger.shape), tuple(image.shape)
    ((1, 8, 8, 8), (1, 8, 8, 3))

    Reference: Noman et al., "Rethinking Transformers Pre-training for Multi-Spectral Satellite Imagery", CVPR 2024,
    https://arxiv.org/abs/2403.05419.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = check_integer("channels", channels, 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width, policy = input_shape[-1], self.dtype_policy
        shared: dict[str, Any] = {"padding": "same", "data_format": "channels_last", "dtype": policy}
        self.enlarge = keras.layers.Conv2DTranspose(width, 4, strides=2, name="enlarge", **shared)
        self.enlarge_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="enlarge_norm")
        self.conv1 = keras.layers.Conv2D(width, 3, name="conv1", **shared)
        self.conv2 = keras.layers.Conv2D(width, 3, name="conv2", **shared)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm")
        self.image = keras.layers.Conv2D(self.channels, 3, name="image", **shared)
        for layer in (self.enlarge, self.enlarge_norm, self.conv1, self.conv2, self.norm, self.image):
            layer.build((None, None, None, width))

    def call(self, x: Tensor) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        x = ops.leaky_relu(self.enlarge_norm(self.enlarge(x)), negative_slope=0.01)
        x = self.norm(x + 0.5 * self.conv2(ops.relu(self.conv1(x))))
        return x, self.image(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        batch, height, width, depth = input_shape
        larger = (batch, *(None if side is None else 2 * side for side in (height, width)))
        return (*larger, depth), (*larger, self.channels)
