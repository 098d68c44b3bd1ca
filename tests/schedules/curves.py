"""What tests of schedules share."""

import json

import keras
import numpy as np
import pytest


def values(schedule, steps):
    """The rates at Python integers, one call each."""
    return np.array([float(schedule(int(step))) for step in steps])


def assert_follows(schedule, reference, last, atol=1e-6):
    """A schedule equals its reference at every step: called with integers, with floats and compiled with a variable."""
    steps = np.arange(last + 1)
    expected = np.array([reference(int(step)) for step in steps])
    np.testing.assert_allclose(values(schedule, steps), expected, rtol=1e-5, atol=atol)
    np.testing.assert_allclose(compiled(schedule, steps.astype("int32")), expected, rtol=1e-5, atol=atol)
    np.testing.assert_allclose(compiled(schedule, steps.astype("float32")), expected, rtol=1e-5, atol=atol)


def compiled(schedule, steps):
    """The rates under XLA, of an array of steps."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.jit(schedule)(keras.ops.convert_to_tensor(steps)))
    import tensorflow as tf

    return tf.function(schedule, jit_compile=True)(tf.constant(steps)).numpy()


def assert_round_trip(schedule):
    """Its configuration survives JSON and makes the same schedule, alone and within an optimizer."""
    config = json.loads(json.dumps(keras.optimizers.schedules.serialize(schedule)))
    again = keras.optimizers.schedules.deserialize(config)
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    steps = (0, 3, 17, 1000)
    np.testing.assert_array_equal(values(again, steps), values(schedule, steps))
    optimizer = keras.optimizers.SGD.from_config(keras.optimizers.SGD(schedule).get_config())
    assert float(optimizer.learning_rate) == float(schedule(0))


def assert_scalar(schedule):
    """It gives a float32 scalar for the optimizer's counter."""
    rate = schedule(keras.Variable(3, dtype="int32", trainable=False))
    assert tuple(rate.shape) == () and keras.backend.standardize_dtype(rate.dtype) == "float32"
    for step in (3, np.int64(3), np.uint8(3), 3.0, keras.ops.convert_to_tensor(3, dtype="int32")):
        assert float(schedule(step)) == float(rate)


def assert_refused(make, **bad):
    """An error that names the first of the wrong arguments and shows it."""
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError) as caught:
        make(**bad)
    assert f"`{name}`" in str(caught.value) and f"{name}={value!r}" in str(caught.value).split("Received: ")[1]
