import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.logit_scale import LogitScale


def value(layer):
    return float(keras.ops.convert_to_numpy(layer.scale()))


def gradient(layer):
    """Of the scale, by the weight."""
    if keras.backend.backend() == "jax":
        import jax

        def scale(raw):
            with keras.StatelessScope(state_mapping=[(layer.log_scale, raw)]):
                return layer.scale()

        return float(jax.grad(scale)(layer.log_scale.value))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        scale = layer.scale()
    return float(tape.gradient(scale, layer.log_scale.value))


def test_starts_at_the_inverse_temperature():
    assert value(LogitScale(0.07)) == pytest.approx(1 / 0.07, rel=1e-5)
    assert value(LogitScale(0.5)) == pytest.approx(2.0, rel=1e-5)


def test_is_clipped_at_the_maximum_but_can_come_back():
    layer = LogitScale(0.5, maximum=10.0)
    assert gradient(layer) == pytest.approx(2.0, rel=1e-5)
    layer.log_scale.assign(np.log(40.0))
    assert value(layer) == pytest.approx(10.0, rel=1e-5)
    assert gradient(layer) == pytest.approx(10.0, rel=1e-5)


def test_is_one_trainable_float32_number():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        layer = LogitScale()
    finally:
        keras.config.set_dtype_policy(policy)
    (weight,) = layer.trainable_variables
    assert weight.shape == () and keras.backend.standardize_dtype(weight.dtype) == "float32"


def test_config_round_trip():
    layer = LogitScale(0.2, maximum=50.0, name="scale")
    again = LogitScale.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config() and value(again) == value(layer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature=0"),
        ({"maximum": -1}, "maximum=-1"),
        ({"temperature": 0.001}, "temperature=0.001"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        LogitScale(**options)
