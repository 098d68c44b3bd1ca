import keras
import numpy as np
import pytest

from keras_ssl.callbacks import WeightDistance


def test_distances_over_two_fits():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, bias_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    start = np.concatenate([w.ravel() for w in model.get_weights()])
    x, y = np.random.default_rng(0).normal(size=(16, 3)), np.random.default_rng(1).normal(size=(16, 2))
    callback = WeightDistance()
    for _ in range(2):
        logs = model.fit(x, y, epochs=2, verbose=0, callbacks=[callback]).history
        now = np.concatenate([w.ravel() for w in model.get_weights()])
        distance = np.linalg.norm(now - start)
        assert logs["weight_distance"][-1] == pytest.approx(distance, rel=1e-5)
        assert logs["relative_weight_distance"][-1] == pytest.approx(distance / np.linalg.norm(start), rel=1e-5)


def test_zero_weights_have_the_relative_distance_zero():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    logs = model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0, callbacks=[WeightDistance()]).history
    assert logs["weight_distance"][0] > 0 and logs["relative_weight_distance"] == [0.0]
