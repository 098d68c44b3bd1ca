"""A learned scale of each channel."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class LayerScale(Configured, keras.layers.Layer):
    """Multiplies every channel by a learned number: `y = gamma * x`.

    At the end of a residual branch, with a small start, it lets deep transformers begin as identities.

    Args:
        initial_value: of every gamma, positive. Defaults to 1e-5, as DINOv2 trains.

    Input: `[..., D]`. Output: the same shape.

    Raises:
        ValueError: if `initial_value` is not positive.

    Example:

    >>> tuple(LayerScale()(keras.ops.ones((2, 5, 8))).shape)
    (2, 5, 8)

    Reference: Touvron et al., "Going deeper with image transformers", ICCV 2021, https://arxiv.org/abs/2103.17239.
    """

    def __init__(self, initial_value: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_value = float(check_positive("initial_value", initial_value))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(
            name="gamma", shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.initial_value)
        )

    def call(self, x: Tensor) -> Tensor:
        return x * self.gamma

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
