import keras
import numpy as np
import pytest

from keras_ssl.layers.centering import Centering


def center(layer):
    return keras.ops.convert_to_numpy(layer.center).copy()


def test_follows_the_mean_of_the_batch():
    layer = Centering(2, momentum=0.9)
    x = np.array([[1.0, 2.0], [3.0, 6.0]], "float32")
    np.testing.assert_array_equal(layer(x), x)
    layer.update(x)
    np.testing.assert_allclose(center(layer), [0.2, 0.4], rtol=1e-6)
    layer.update(-x)
    np.testing.assert_allclose(center(layer), [0.18 - 0.2, 0.36 - 0.4], rtol=1e-5)
    np.testing.assert_allclose(layer(x), x - center(layer))


@pytest.mark.parametrize("as_tensor", [False, True])
def test_stands_still_where_the_step_did_not_update(as_tensor):
    layer = Centering(2)
    layer.update(np.ones((3, 2), "float32"))
    before = center(layer)
    layer.update(np.full((3, 2), 9.0, "float32"), keras.ops.convert_to_tensor(False) if as_tensor else False)
    np.testing.assert_array_equal(center(layer), before)


def test_the_mean_of_half_precision_is_taken_in_float32():
    layer = Centering(1, momentum=0.0)
    layer.update(keras.ops.cast(np.full((4096, 1), 300.0), "float16"))
    np.testing.assert_allclose(center(layer), 300.0)


def test_config_and_errors():
    twin = Centering.from_config(Centering(3, momentum=0.5).get_config())
    assert (twin.dimension, twin.momentum) == (3, 0.5) and not twin.trainable_weights
    with pytest.raises(ValueError, match="Received: dimension=0"):
        Centering(0)
    with pytest.raises(ValueError, match="Received: momentum=1.5"):
        Centering(3, momentum=1.5)
