import keras
import numpy as np
import pytest

from keras_ssl.layers import RMSNorm


def test_it_divides_by_the_root_mean_square():
    x = np.random.default_rng(0).normal(3.0, 2.0, (2, 5, 8)).astype("float32")
    layer = RMSNorm(epsilon=0.1)
    layer.build(x.shape)
    gamma = np.linspace(0.5, 2.0, 8).astype("float32")
    layer.gamma.assign(gamma)
    expected = gamma * x / np.sqrt((x.astype("float64") ** 2).mean(-1, keepdims=True) + 0.1)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)


def test_without_scale_there_is_no_weight():
    layer = RMSNorm(scale=False)
    made = keras.ops.convert_to_numpy(layer(np.array([[3.0, 4.0]], "float32")))
    np.testing.assert_allclose(made, [[3 / 12.5**0.5, 4 / 12.5**0.5]], rtol=1e-5)
    assert not layer.weights and RMSNorm.from_config(layer.get_config()).get_config() == layer.get_config()


def test_half_precision_does_not_overflow():
    made = RMSNorm(dtype="mixed_float16")(np.full((1, 4), 1000.0, "float32"))
    np.testing.assert_allclose(keras.ops.cast(made, "float32"), 1.0, atol=1e-3)


def test_bad_epsilon():
    with pytest.raises(ValueError, match="`epsilon` must be greater than 0. Received: epsilon=0"):
        RMSNorm(0)
