import numpy as np
import pytest

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import RandomGrayscale


def test_always_and_never(golden, unit, see):
    np.testing.assert_allclose(see(RandomGrayscale(1.0), unit), golden["gray"], atol=1e-6)
    np.testing.assert_array_equal(see(RandomGrayscale(0.0), unit), unit)


def test_probability(see):
    images = np.tile(np.array([1.0, 0.0, 0.0], "float32"), (4000, 1, 1, 1))
    assert abs((see(RandomGrayscale(0.2), images)[:, 0, 0, 1] > 0).mean() - 0.2) < 0.03


def test_channels(see):
    single = np.random.default_rng(0).random((4, 3, 3, 1), dtype="float32")
    np.testing.assert_array_equal(see(RandomGrayscale(1.0), single), single)
    with pytest.raises(ValueError, match="3 channels"):
        see(RandomGrayscale(1.0), np.zeros((4, 3, 3, 2), "float32"))


def test_bad_probability():
    with pytest.raises(ValueError, match="probability=-1"):
        RandomGrayscale(-1)


def test_conforms():
    check_view(RandomGrayscale(0.3), image_size=6)
    check_view(RandomGrayscale(0.3), image_size=6, channels=1)
