import keras
import numpy as np

from keras_ssl.losses.random_directions import random_directions
from keras_ssl.training import Step


def drawn(index, count=4000, dimension=3):
    return keras.ops.convert_to_numpy(random_directions(Step.at(5, index=index).shared_stream(), count, dimension))


def test_are_uniform_on_the_sphere():
    directions = drawn(0)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(directions.T @ directions / len(directions), np.eye(3) / 3, atol=0.02)
    np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=0.03)


def test_follow_from_the_step_alone():
    np.testing.assert_array_equal(drawn(1, 4), drawn(1, 4))
    assert np.abs(drawn(1, 4) - drawn(2, 4)).max() > 0.1
