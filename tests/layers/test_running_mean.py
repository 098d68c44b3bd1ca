import json

import keras
import numpy as np
import pytest

from keras_ssl.layers import RunningMean


def test_is_an_exponential_average_of_what_counts():
    layer, expected = RunningMean((0.5, 0.5), momentum=0.8), np.full(2, 0.5)
    for step in range(4):
        new = np.array([step, 1.0], "float32")
        layer.update(new)
        expected = 0.8 * expected + 0.2 * new
        layer.update(np.full(2, np.nan, "float32"), counted=keras.ops.convert_to_tensor(False))
    np.testing.assert_allclose(np.asarray(layer.contents), expected, rtol=1e-6)


def test_blend_shows_what_update_will_make():
    layer = RunningMean((1.0,), momentum=0.5)
    assert float(layer.blend(np.array([3.0], "float32"))[0]) == 2.0 and float(layer.contents[0]) == 1.0
    assert float(layer.blend(np.array([3.0], "float32"), counted=False)[0]) == 1.0


def test_is_serialized():
    layer = RunningMean((0.25, 0.75), momentum=0.3)
    again = RunningMean.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config() and not again.trainable_weights


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial": ()}, r"Received: initial=\(\)"),
        ({"initial": (float("nan"),)}, "Received: initial="),
        ({"initial": (1.0,), "momentum": 1.5}, "Received: momentum=1.5"),
        ({"initial": (1.0,), "momentum": float("nan")}, "Received: momentum=nan"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        RunningMean(**options)
