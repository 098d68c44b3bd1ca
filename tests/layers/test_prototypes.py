import keras
import numpy as np
import pytest

from keras_ssl.layers.prototypes import Prototypes


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def kernel_gradient(layer, x, updates):
    """The gradient of a sum of scores by the kernel."""
    weights = rows(*x.shape[:1], layer.count, seed=9)
    if keras.backend.backend() == "jax":
        import jax

        def total(kernel):
            with keras.StatelessScope([(layer.kernel, kernel)]):
                return keras.ops.sum(layer(x, updates=updates) * weights)

        return np.asarray(jax.jit(jax.grad(total))(layer.kernel.value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x, updates=updates) * weights)
    return tape.gradient(total, layer.kernel.value).numpy()


def test_equals_cosines_whatever_the_lengths():
    layer = Prototypes(5, 3)
    x, kernel = rows(4, 3), 7.0 * rows(3, 5, seed=1)
    layer.kernel.assign(kernel)
    expected = unit(x.astype("float64")) @ unit(kernel.T.astype("float64")).T
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(100.0 * x)), expected, atol=1e-6)


def test_starts_with_about_unit_columns_in_all_directions():
    kernel = keras.ops.convert_to_numpy(Prototypes(2000, 64).kernel)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0).mean(), 1.0, atol=0.02)
    np.testing.assert_allclose(kernel.mean(1), 0.0, atol=0.02)


def test_a_step_along_the_kernel_is_no_step():
    # The gradient is orthogonal to each column: nothing pulls a prototype off the sphere.
    layer = Prototypes(5, 3)
    gradient = kernel_gradient(layer, rows(4, 3), None)
    radial = (gradient * keras.ops.convert_to_numpy(layer.kernel)).sum(0)
    np.testing.assert_allclose(radial, 0.0, atol=1e-5)
    assert np.abs(gradient).max() > 0.1


def test_holds_the_gradient_back_for_the_first_updates():
    layer, x = Prototypes(5, 3, freeze_steps=2), rows(4, 3)
    free = kernel_gradient(layer, x, None)
    for updates in (0, 1):
        np.testing.assert_array_equal(kernel_gradient(layer, x, np.int32(updates)), 0.0)
    np.testing.assert_array_equal(kernel_gradient(layer, x, np.int32(2)), free)
    np.testing.assert_array_equal(layer(x, updates=np.int32(0)), layer(x))


def test_half_precision_embeddings_are_compared_in_float32():
    layer = Prototypes(5, 3)
    x = keras.ops.cast(rows(4, 3), "bfloat16")
    scores = layer(x)
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    np.testing.assert_allclose(scores, layer(keras.ops.cast(x, "float32")), atol=1e-6)


def test_config_and_errors():
    twin = Prototypes.from_config(Prototypes(5, 3, freeze_steps=7).get_config())
    assert (twin.count, twin.dimension, twin.freeze_steps) == (5, 3, 7)
    for arguments, message in (((0, 3), "count=0"), ((5, 0), "dimension=0"), ((5, 3, -1), "freeze_steps=-1")):
        with pytest.raises(ValueError, match=f"Received: {message}"):
            Prototypes(*arguments)
