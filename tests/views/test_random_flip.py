import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import RandomFlip


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 2), ("vertical", 1)])
def test_always_and_never(unit, see, direction, axis):
    np.testing.assert_array_equal(see(RandomFlip(1.0, direction), unit), np.flip(unit, axis))
    np.testing.assert_array_equal(see(RandomFlip(0.0, direction), unit), unit)


def test_probability(see):
    images = np.tile(np.array([0.0, 1.0], "float32").reshape(1, 1, 2, 1), (4000, 1, 1, 1))
    assert abs(see(RandomFlip(0.3), images)[:, 0, 0, 0].mean() - 0.3) < 0.03


def test_bad_arguments():
    with pytest.raises(ValueError, match="probability=1.5"):
        RandomFlip(1.5)
    with pytest.raises(ValueError, match="direction='diagonal'"):
        RandomFlip(0.5, "diagonal")


@pytest.mark.parametrize("view", [RandomFlip(0.5), RandomFlip(0.3, "vertical"), RandomFlip(0.0), RandomFlip(1.0)])
def test_conforms(view):
    check_view(view, image_size=6)
    check_view(view, image_size=6, channels=1)
