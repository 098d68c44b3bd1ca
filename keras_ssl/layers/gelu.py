"""The activation of vision transformers."""

import keras

from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")  # type: ignore[untyped-decorator]
def gelu(x: Tensor) -> Tensor:
    """`x * Phi(x)`, with Phi the distribution function of the normal distribution; exact, not the tanh formula.

    In half precision it is computed in float32 by `erf`, as PyTorch computes it: Keras' way by the complement, which
    keeps more digits than half precision has, takes several times the time on an accelerator.

    Args:
        x: float tensor of any shape.

    Returns:
        Tensor of the shape and type of `x`.

    Reference: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype not in ("bfloat16", "float16"):
        return keras.activations.gelu(x, approximate=False)
    wide = keras.ops.cast(x, "float32")
    return keras.ops.cast(0.5 * wide * (1.0 + keras.ops.erf(wide * 0.5**0.5)), dtype)


@keras.saving.register_keras_serializable(package="keras_ssl")  # type: ignore[untyped-decorator]
def gelu_tanh(x: Tensor) -> Tensor:
    """`x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, which is near `gelu`: what JAX and TensorFlow compute.

    Args:
        x: float tensor of any shape.

    Returns:
        Tensor of the shape and type of `x`.

    Reference: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415.
    """
    return keras.activations.gelu(x, approximate=True)


ACTIVATIONS = {"gelu": gelu, "gelu_tanh": gelu_tanh}
"""The activations of vision transformers by name."""
