import keras
import numpy as np
import pytest

from keras_ssl.layers.cubic_kernel import cubic_kernel


@pytest.mark.parametrize("a", [-0.5, -0.75])
def test_is_keys_kernel(a):
    d = np.linspace(0.0, 2.5, 26)
    expected = [
        (a + 2) * t**3 - (a + 3) * t**2 + 1 if t < 1 else a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0
        for t in d
    ]
    np.testing.assert_allclose(cubic_kernel(d, a, xp=np), expected, atol=1e-12)
    actual = keras.ops.convert_to_numpy(cubic_kernel(keras.ops.convert_to_tensor(d.astype("float32")), a))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("a", [-0.5, -0.75])
def test_weights_of_any_point_sum_to_one(a):
    for point in (0.0, 0.2, 0.5, 0.9):
        assert sum(cubic_kernel(np.abs(np.arange(-2.0, 4.0) - point), a, xp=np)) == pytest.approx(1.0)


def test_slope_at_one_is_a():
    assert (cubic_kernel(1.001, -0.75, np) - cubic_kernel(0.999, -0.75, np)) / 0.002 == pytest.approx(-0.75, abs=1e-2)
