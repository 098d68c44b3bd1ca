import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.running_covariance import RunningCovariance


def contents(layer):
    return np.array(keras.ops.convert_to_numpy(layer.contents))


NEW = np.array([[1.0, 0.5], [0.5, 3.0]], "float32")


def test_is_an_exponential_average_from_zero():
    layer = RunningCovariance(2, decay=0.8)
    expected = np.zeros((2, 2))
    for step in range(4):
        layer.update(NEW * step)
        expected = 0.8 * expected + 0.2 * NEW * step
    np.testing.assert_allclose(contents(layer), expected, rtol=1e-5)


def test_blend_shows_what_update_will_make_and_changes_nothing():
    layer = RunningCovariance(2)
    layer.update(NEW)
    before = contents(layer)
    ahead = keras.ops.convert_to_numpy(layer.blend(NEW))
    np.testing.assert_array_equal(contents(layer), before)
    layer.update(NEW)
    np.testing.assert_array_equal(contents(layer), ahead)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_stands_still_where_the_step_did_not_update(as_tensor):
    layer = RunningCovariance(2)
    layer.update(NEW, updated=keras.ops.convert_to_tensor(False) if as_tensor else False)
    assert (contents(layer) == 0).all()


@pytest.mark.parametrize("name", ["mixed_float16", "bfloat16"])
def test_is_float32_under_every_policy_and_not_trained(name):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(name)
        layer = RunningCovariance(2)
    finally:
        keras.config.set_dtype_policy(policy)
    assert keras.backend.standardize_dtype(layer.contents.dtype) == "float32"
    assert layer.trainable_variables == [] and len(layer.weights) == 1


def test_config_round_trip():
    layer = RunningCovariance(3, decay=0.5, name="c")
    again = RunningCovariance.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    assert (again.dimension, again.decay, again.name) == (3, 0.5, "c")


@pytest.mark.parametrize(("name", "bad"), [("dimension", 0), ("dimension", 1.5), ("decay", 1.0), ("decay", -0.1)])
def test_errors(name, bad):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={bad}"):
        RunningCovariance(**{"dimension": 2, name: bad})
