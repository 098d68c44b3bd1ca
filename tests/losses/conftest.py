"""What the tests of the losses share: gradients by the backend and by finite differences, and compilation."""

import keras
import numpy as np
import pytest

JAX = keras.backend.backend() == "jax"

# Keras' mean passes through float32 on JAX, so that float64 would promise more than it holds there.
PRECISION = "float32" if JAX else "float64"
TOLERANCE = 1e-5 if JAX else 1e-8


def to_float64(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor)).astype("float64")


def _value_and_gradients(function, *arrays, dtype=PRECISION):
    """The scalar `function(*arrays)`, computed on inputs of `dtype`, and its gradient by each of them."""
    if JAX:
        import jax

        with jax.enable_x64(dtype == "float64"):
            tensors = [jax.numpy.asarray(array, dtype) for array in arrays]
            value, gradients = jax.jit(jax.value_and_grad(function, tuple(range(len(arrays)))))(*tensors)
            return float(value), [to_float64(gradient) for gradient in gradients]
    import tensorflow as tf

    tensors = [tf.cast(tf.constant(array), dtype) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    return float(value), [
        tf.cast(gradient, "float64").numpy() for gradient in tape.gradient(value, tensors, unconnected_gradients="zero")
    ]


def _finite_differences(function, *arrays, step=1e-5):
    """Central differences of a NumPy function of float64 arrays, by each entry of each of them."""
    arrays = [np.array(array, "float64") for array in arrays]
    gradients = []
    for array in arrays:
        gradient = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            above = function(*arrays)
            array[place] = kept - step
            below = function(*arrays)
            array[place] = kept
            gradient[place] = (above - below) / (2 * step)
        gradients.append(gradient)
    return gradients


def _compiled(function, *arrays):
    """`function(*arrays)` under XLA; on TensorFlow it is traced for batches of any length."""
    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    if JAX:
        import jax

        return float(jax.jit(function)(*tensors))
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in tensors]
    plain = tf.function(function, input_signature=signature)(*tensors)
    xla = tf.function(function, input_signature=signature, jit_compile=True)(*tensors)
    np.testing.assert_allclose(plain, xla, rtol=1e-5, atol=1e-5)
    return float(xla)


def _rounded(array, dtype):
    """`array` as the backend rounds it to `dtype`: the tensor, and the numbers that it really holds."""
    tensor = keras.ops.cast(keras.ops.convert_to_tensor(np.asarray(array, "float32")), dtype)
    return tensor, to_float64(keras.ops.cast(tensor, "float32"))


@pytest.fixture
def value_and_gradients():
    return _value_and_gradients


@pytest.fixture
def tolerance():
    """How closely `value_and_gradients` meets a float64 reference."""
    return TOLERANCE


@pytest.fixture
def finite_differences():
    return _finite_differences


@pytest.fixture
def compiled():
    return _compiled


@pytest.fixture
def rounded():
    return _rounded
