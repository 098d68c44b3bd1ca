import random

import keras
import numpy as np
import pytest

from keras_ssl.encoders.fan_out_normal import FanOutNormal


def draw(initializer, shape):
    return keras.ops.convert_to_numpy(initializer(shape))


@pytest.mark.parametrize("shape", [(3, 3, 16, 64), (1, 1, 64, 128), (7, 7, 3, 64)])
def test_is_normal_with_variance_two_over_fan_out(shape):
    values = draw(FanOutNormal(seed=1), shape)
    std = np.sqrt(2.0 / (shape[0] * shape[1] * shape[3]))
    assert values.shape == shape and values.dtype == "float32"
    assert abs(values.mean()) < 4 * std / np.sqrt(values.size)
    assert values.std() == pytest.approx(std, rel=4 / np.sqrt(2 * values.size))
    # Of a normal distribution 4.55 % lie beyond 2 sigma; of Keras' truncated one, none.
    assert np.mean(np.abs(values) > 2 * std) == pytest.approx(0.0455, abs=0.01)


def test_numbers_do_not_depend_on_the_backend():
    values = draw(FanOutNormal(seed=3), (1, 1, 1, 2))
    np.testing.assert_allclose(values.ravel(), np.random.default_rng(3).standard_normal(2, "float32"), rtol=1e-6)


def test_seeds():
    shape = (3, 3, 2, 2)
    initializer = FanOutNormal()
    np.testing.assert_array_equal(draw(initializer, shape), draw(initializer, shape))
    assert not np.array_equal(draw(initializer, shape), draw(FanOutNormal(), shape))
    random.seed(5)  # what `keras.utils.set_random_seed` does, among other things
    first = draw(FanOutNormal(), shape)
    random.seed(5)
    np.testing.assert_array_equal(draw(FanOutNormal(), shape), first)


def test_dtype_and_config():
    initializer = FanOutNormal(seed=7)
    assert keras.backend.standardize_dtype(initializer((1, 1, 2, 2), dtype="bfloat16").dtype) == "bfloat16"
    again = keras.initializers.deserialize(keras.initializers.serialize(initializer))
    assert type(again) is FanOutNormal and again.seed == 7
