import keras
import numpy as np
import pytest

from keras_ssl.layers import LayerScale


def test_multiplies_each_channel():
    layer = LayerScale(0.5)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), 0.5 * x, rtol=1e-6)
    gamma = np.arange(4, dtype="float32")
    layer.gamma.assign(gamma)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), gamma * x, rtol=1e-6)
    assert [w.path.split("/")[-1] for w in layer.trainable_weights] == ["gamma"]


def test_config_and_precision():
    layer = LayerScale(0.1, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(np.ones((1, 2), "float32")).dtype) == "bfloat16"
    assert layer.gamma.dtype == "float32" and LayerScale.from_config(layer.get_config()).initial_value == 0.1


def test_rejects_a_value_that_is_not_positive():
    with pytest.raises(ValueError, match=r"^`initial_value` .* Received: initial_value=0$"):
        LayerScale(0)
