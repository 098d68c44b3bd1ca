import random

import keras
import numpy as np
import pytest

from keras_ssl.encoders.small_normal import SmallNormal


def draw(initializer, shape):
    return keras.ops.convert_to_numpy(initializer(shape))


def test_is_normal_and_not_cut_off():
    values = draw(SmallNormal(seed=1), (100, 100))
    assert values.dtype == "float32" and abs(values.mean()) < 4 * 0.02 / 100
    assert values.std() == pytest.approx(0.02, rel=0.03)
    assert np.mean(np.abs(values) > 0.04) == pytest.approx(0.0455, abs=0.01)


def test_numbers_do_not_depend_on_the_backend():
    expected = 0.5 * np.random.default_rng(3).standard_normal(2, "float32")
    np.testing.assert_allclose(draw(SmallNormal(0.5, seed=3), (2,)), expected, rtol=1e-6)


def test_seeds_and_config():
    random.seed(5)
    first = draw(SmallNormal(), (3,))
    assert not np.array_equal(draw(SmallNormal(), (3,)), first)
    random.seed(5)
    np.testing.assert_array_equal(draw(SmallNormal(), (3,)), first)
    again = keras.initializers.deserialize(keras.initializers.serialize(SmallNormal(0.1, seed=7)))
    assert type(again) is SmallNormal and (again.stddev, again.seed) == (0.1, 7)
