"""Competition between the channels of a map."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["GlobalResponseNorm"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class GlobalResponseNorm(Configured, keras.layers.Layer):
    """Scales every channel of a map by its own strength over that of all channels.

        g_c = sqrt(sum over places of x_c^2),    n_c = g_c / (mean over channels of g + epsilon)
        y_c = x_c + gamma_c * x_c * n_c + beta_c

    `gamma` and `beta` begin at 0: the layer begins as the identity. Norms are computed in float32 under every policy.

    Args:
        epsilon: added to the mean. Defaults to 1e-6.
        **kwargs: `name`, `dtype`.

    Input: `[N, H, W, C]`. Output: the same shape.

    Raises:
        ValueError: if `epsilon` is not positive.

    Example:

    >>> tuple(GlobalResponseNorm()(keras.ops.ones((2, 4, 4, 8))).shape)
    (2, 4, 4, 8)

    Reference: Woo et al., "ConvNeXt V2: co-designing and scaling ConvNets with masked autoencoders", CVPR 2023,
    https://arxiv.org/abs/2301.00808.
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = float(check_positive("epsilon", epsilon))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=width, initializer="zeros")
        self.beta = self.add_weight(name="beta", shape=width, initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        ops = keras.ops
        squares = ops.sum(ops.square(ops.cast(x, "float32")), axis=(1, 2), keepdims=True)
        # The square root's slope at 0 is infinite: a channel that is 0 everywhere would have no gradient but NaN.
        strength = ops.sqrt(ops.maximum(squares, 1e-30))
        share = strength / (ops.mean(strength, axis=-1, keepdims=True) + self.epsilon)
        return x + self.gamma * (x * ops.cast(share, x.dtype)) + self.beta

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
