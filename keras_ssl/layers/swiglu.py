"""The gate of SwiGLU networks."""

import keras

from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class SwiGLU(keras.layers.Layer):
    """Gates the second half of the channels by the first: `silu(a) * b` of an input `[a, b]`.

    Between two Dense layers it takes an activation's place. It has no weights.

    Input: `[..., 2 * H]`. Output: `[..., H]`.

    Raises:
        ValueError: if the number of channels is odd.

    Example:

    >>> tuple(SwiGLU()(keras.ops.ones((2, 5, 16))).shape)
    (2, 5, 8)

    Reference: Shazeer, "GLU variants improve transformer", 2020, https://arxiv.org/abs/2002.05202.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] is None or input_shape[-1] % 2:
            raise ValueError(f"The input must have an even number of channels. Received: input_shape={input_shape}")

    def call(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        return keras.ops.silu(x[..., :half]) * x[..., half:]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], None if input_shape[-1] is None else input_shape[-1] // 2)
