import keras
import numpy as np
import pytest

from keras_ssl.layers import GlobalResponseNorm

X = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")


def test_it_begins_as_the_identity():
    np.testing.assert_array_equal(GlobalResponseNorm()(X), X)


def test_it_is_the_formula_channel_by_channel():
    layer = GlobalResponseNorm(epsilon=0.5)
    layer.build(X.shape)
    gamma, beta = np.linspace(-1, 2, 5).astype("float32"), np.linspace(0, 1, 5).astype("float32")
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    expected = np.empty(X.shape)
    for n in range(2):
        strength = [np.sqrt(sum(X[n, r, c, k] ** 2 for r in range(3) for c in range(4))) for k in range(5)]
        for k in range(5):
            share = strength[k] / (sum(strength) / 5 + 0.5)
            expected[n, :, :, k] = X[n, :, :, k] * (1 + gamma[k] * share) + beta[k]
    np.testing.assert_allclose(layer(X), expected, rtol=1e-5, atol=1e-6)
    # It does not depend on how large the map is in all, but for epsilon.
    free = GlobalResponseNorm()
    free.build(X.shape)
    free.gamma.assign(gamma)
    np.testing.assert_allclose(free(10 * X), 10 * keras.ops.convert_to_numpy(free(X)), rtol=1e-4)


def test_half_precision_does_not_overflow_and_config():
    layer = GlobalResponseNorm(dtype="mixed_float16")
    layer.build(X.shape)
    layer.gamma.assign(np.ones(5))
    made = layer(np.full((1, 8, 8, 5), 100.0, "float32"))
    np.testing.assert_allclose(keras.ops.cast(made, "float32"), 200.0, rtol=1e-3)
    assert GlobalResponseNorm.from_config(layer.get_config()).epsilon == layer.epsilon == 1e-6
    with pytest.raises(ValueError, match="`epsilon` must be greater than 0. Received: epsilon=0"):
        GlobalResponseNorm(0)


def test_a_map_of_zeros_has_a_finite_gradient():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.zeros((1, 2, 2, 5))
        layer = GlobalResponseNorm()
        layer.build(x.shape)
        layer.gamma.assign(np.ones(5))
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x))
        gradient = tape.gradient(value, x)
    else:
        import jax

        layer = GlobalResponseNorm()
        layer.build((1, 2, 2, 5))
        layer.gamma.assign(np.ones(5))
        gradient = jax.grad(lambda x: layer(x).sum())(np.zeros((1, 2, 2, 5), "float32"))
    assert np.isfinite(np.asarray(gradient)).all()
