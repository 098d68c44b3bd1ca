"""What the tests of the selectors share."""

import keras
import numpy as np

JAX = keras.backend.backend() == "jax"


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def finite_differences(function, array, step=1e-5):
    """Central differences of a scalar NumPy function, by each entry of a float64 array."""
    array = np.array(array, "float64")
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = function(array)
        array[place] = kept - step
        below = function(array)
        array[place] = kept
        gradient[place] = (above - below) / (2 * step)
    return gradient


def gradients(function, *arrays):
    """The scalar `function(*tensors)` in float32 and its gradients by the backend."""
    arrays = [np.asarray(array, "float32") for array in arrays]
    if JAX:
        import jax

        value, found = jax.value_and_grad(function, tuple(range(len(arrays))))(*map(jax.numpy.asarray, arrays))
        return float(value), [np.asarray(gradient) for gradient in found]
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    found = tape.gradient(value, tensors, unconnected_gradients="zero")
    return float(value), [gradient.numpy() for gradient in found]
