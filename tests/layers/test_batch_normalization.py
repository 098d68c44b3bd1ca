import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.batch_normalization import BatchNormalization


def batch(*shape, seed=0, mean=3.0, std=2.0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype("float32")


def test_training_normalises_with_the_biased_batch_statistics():
    x = batch(8, 5, 5, 3)
    layer = BatchNormalization()
    y = keras.ops.convert_to_numpy(layer(x, training=True))
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), atol=1e-5)


def test_moving_statistics_take_a_tenth_of_the_batch_and_serve_at_inference():
    x = batch(32, 3)
    layer = BatchNormalization()
    layer(x, training=True)
    mean, variance = 0.1 * x.mean(0), 0.9 + 0.1 * x.var(0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)
    y = keras.ops.convert_to_numpy(layer(x, training=False))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)


def test_without_centre_and_scale_there_is_nothing_to_train():
    layer = BatchNormalization(center=False, scale=False)
    layer.build((None, 4))
    assert layer.trainable_variables == []
    assert len(layer.non_trainable_variables) == 2


def test_synchronizes_where_the_backend_needs_it_and_says_nothing_of_it_in_its_config():
    layer = BatchNormalization(momentum=0.8, epsilon=1e-4, scale=False, name="bn")
    assert layer.synchronized == (keras.backend.backend() == "tensorflow")
    config = json.loads(json.dumps(layer.get_config()))
    assert "synchronized" not in config
    again = BatchNormalization.from_config(config)
    assert again.get_config() == layer.get_config()
    assert (again.momentum, again.epsilon, again.scale, again.name) == (0.8, 1e-4, False, "bn")
    assert again.synchronized == layer.synchronized


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_statistics_are_float32_under_mixed_precision(policy):
    # Sums of 64 squares near 50**2 overflow float16, bfloat16 keeps 2 digits of a mean of 50: it would show.
    x = batch(64, 3, mean=50.0, std=1.0)
    layer = BatchNormalization(dtype=policy)
    y = layer(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    assert {v.dtype for v in layer.variables} == {"float32"}
    seen = keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(x, y.dtype), "float32"))
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * seen.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * seen.var(0), rtol=1e-3)
    expected = (seen - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(keras.ops.cast(y, "float32")), expected, atol=2e-2)


def test_saves_and_loads(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, BatchNormalization(name="bn")(inputs))
    x = batch(16, 3)
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("bn")) is BatchNormalization
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("bad", [{"momentum": 1.5}, {"momentum": -0.1}, {"epsilon": 0.0}])
def test_rejects_constants_out_of_range(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        BatchNormalization(**bad)


def test_the_flag_cannot_be_passed():
    with pytest.raises(TypeError, match="synchronized"):
        BatchNormalization(synchronized=False)
