"""Batch normalization's own passes on JAX, held to Keras' formula and its derivative."""

import keras
import numpy as np
import pytest

from keras_ssl.layers import BatchNormalization

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="of the passes on JAX")


def outcome(layer, x, weights):
    """Output, moving statistics, and the gradients of a weighted sum of the output."""
    import jax

    layer.build(x.shape)
    trainable = [keras.ops.convert_to_tensor(v) for v in layer.trainable_variables]
    moving = [keras.ops.convert_to_tensor(v) for v in layer.non_trainable_variables]

    def loss(x, trainable):
        y, after = layer.stateless_call(trainable, moving, x, training=True)
        return keras.ops.sum(keras.ops.cast(y, "float32") * weights), (y, after)

    gradients, (y, after) = jax.grad(loss, argnums=(0, 1), has_aux=True)(x, trainable)
    return [np.asarray(value, "float32") for value in (y, *after, gradients[0], *gradients[1])]


def both(x, **options):
    rng = np.random.default_rng(1)
    weights = rng.normal(size=x.shape).astype("float32")
    initial = {"gamma_initializer": "random_normal", "beta_initializer": "random_normal"}
    keras.utils.set_random_seed(0)
    ours = BatchNormalization(**initial, **options)
    keras.utils.set_random_seed(0)
    keras_own = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **initial, **options)
    return outcome(ours, x, weights), outcome(keras_own, x, weights)


@pytest.mark.parametrize("shape", [(8, 5), (4, 6, 6, 3), (2, 3, 4)])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "scale": False}])
def test_as_keras(shape, options):
    x = np.random.default_rng(0).normal(1.5, 2.0, shape).astype("float32")
    for found, expected in zip(*both(x, **options), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_a_large_mean_costs_no_precision():
    x = np.random.default_rng(0).normal(1e4, 0.1, (64, 7)).astype("float32")
    exact = x.astype("float64")
    y, mean, variance, *_ = outcome(BatchNormalization(momentum=0.0), x, np.ones_like(x))
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-3)
    np.testing.assert_allclose(y, (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5), atol=1e-2)


def test_constant_channels_are_zero_and_have_no_gradient():
    y, _, variance, dx, *_ = outcome(BatchNormalization(momentum=0.0), np.full((6, 2), 3.0, "float32"), np.ones((6, 2)))
    assert not y.any() and not variance.any() and not dx.any()


def test_half_precision_keeps_statistics_in_float32():
    x = np.random.default_rng(0).normal(300.0, 4.0, (512, 3)).astype("float16")
    y, mean, variance, *_ = outcome(BatchNormalization(momentum=0.0, dtype="mixed_float16"), x, np.ones((512, 3)))
    seen = x.astype("float64")
    np.testing.assert_allclose(mean, seen.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(variance, seen.var(axis=0), rtol=1e-4)
    assert np.isfinite(y).all()


@pytest.mark.slow
def test_gradient_of_the_gradient():
    import jax

    from keras_ssl.layers.jax_batch_norm import batch_norm

    x = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")

    def plain(x):
        return (x - x.mean(axis=0)) * jax.lax.rsqrt(x.var(axis=0) + 1e-5)

    def own(x):
        return batch_norm(x, jax.numpy.ones(2), jax.numpy.zeros(2), 1e-5)[0]

    def penalty(normal):
        return jax.grad(lambda x: jax.numpy.sum(jax.grad(lambda x: jax.numpy.sum(normal(x) ** 3))(x) ** 2))

    np.testing.assert_allclose(penalty(own)(x), penalty(plain)(x), rtol=1e-3, atol=1e-3)
