"""Normalization of channels by their root mean square."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["RMSNorm"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class RMSNorm(Configured, keras.layers.Layer):
    """`gamma * x / sqrt(mean(x^2) + epsilon)`, the mean over the last axis; computed in float32 under every policy.

    It is layer normalization without the subtracted mean and without a shift.

    Args:
        epsilon: added to the mean square. Defaults to 1e-5.
        scale: whether there is a learned `gamma`, which begins at 1. Defaults to True; the last norm of CAPI's
            encoders has none.
        **kwargs: `name`, `dtype`.

    Input: `[..., D]`. Output: the same shape.

    Raises:
        ValueError: if `epsilon` is not positive.

    Example:

    >>> keras.ops.convert_to_numpy(RMSNorm()(keras.ops.array([[3.0, 3.0]]))).round(3).tolist()
    [[1.0, 1.0]]

    Reference: Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019,
    https://arxiv.org/abs/1910.07467.
    """

    stored_as: ClassVar[dict[str, str]] = {"scale": "has_scale"}

    def __init__(self, epsilon: float = 1e-5, scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = float(check_positive("epsilon", epsilon))
        self.has_scale = bool(scale)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.gamma = None
        if self.has_scale:
            self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")

    def call(self, x: Tensor) -> Tensor:
        return keras.ops.rms_normalization(x, scale=self.gamma, axis=-1, epsilon=self.epsilon)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
