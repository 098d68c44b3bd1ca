"""The weights of a model as arrays."""

import keras
import numpy as np

from keras_ssl.weights.named_weights import named_weights

__all__ = ["read_weights"]


def read_weights(model: keras.layers.Layer) -> dict[str, np.ndarray]:
    """Copies the weights of a model into arrays, by the names of `named_weights`.

    Half-precision weights become float32, which loses nothing.

    Args:
        model: a built `keras.Model` or layer.

    Returns:
        Arrays of their own memory: training the model does not change them.

    Raises:
        ValueError: if the model is not built.

    Example:

    >>> layer = keras.layers.Dense(1, kernel_initializer="ones")
    >>> layer.build((None, 2))
    >>> read_weights(layer)["kernel"].tolist()
    [[1.0], [1.0]]
    """
    return {name: np.array(as_array(variable)) for name, variable in named_weights(model).items()}


def as_array(variable: keras.Variable) -> np.ndarray:
    """A variable's value, which may be its own memory; half precision as float32."""
    value = variable.value
    if keras.backend.standardize_dtype(variable.dtype) in ("bfloat16", "float16"):
        value = keras.ops.cast(value, "float32")
    return np.ascontiguousarray(keras.ops.convert_to_numpy(value))
