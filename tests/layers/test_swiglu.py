import keras
import numpy as np
import pytest

from keras_ssl.layers import SwiGLU


def test_gates_the_second_half_by_the_first():
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    a, b = x[..., :4], x[..., 4:]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(SwiGLU()(x)), a / (1 + np.exp(-a)) * b, atol=1e-6)
    assert SwiGLU()(keras.Input((None, 8))).shape == (None, None, 4)


def test_rejects_an_odd_number_of_channels():
    with pytest.raises(ValueError, match=r"even number of channels. Received: input_shape=\(2, 5\)$"):
        SwiGLU()(np.zeros((2, 5), "float32"))
