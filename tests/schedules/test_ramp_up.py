import numpy as np
import pytest

from keras_ssl.schedules import ramp_up


def test_rises_and_stays():
    times = np.array([0, 3, 10, 50])
    linear = [float(ramp_up(t, 10)) for t in times]
    sigmoid = [float(ramp_up(t, 10, "sigmoid")) for t in times]
    np.testing.assert_allclose(linear, [0, 0.3, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(sigmoid, [np.exp(-5), np.exp(-5 * 0.49), 1, 1], rtol=1e-5)


def test_no_steps_is_one_from_the_start():
    assert float(ramp_up(0, 0)) == float(ramp_up(0, 0, "sigmoid")) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, -1), "Received: steps=-1"),
        ((0, 2.5), "Received: steps=2.5"),
        ((0, 5, "cosine"), "Received: shape='cosine'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ramp_up(*arguments)
