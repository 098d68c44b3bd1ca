import numpy as np
import pytest
from keras import ops

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import GaussianBlur, functional


def test_draws_a_sigma_per_image(unit, see, make_stream):
    sigma = make_stream(4).uniform(0.5, 1.5)
    assert len(np.unique(sigma)) == 4
    expected = ops.convert_to_numpy(functional.gaussian_blur(unit, sigma, 5))
    np.testing.assert_allclose(see(GaussianBlur((0.5, 1.5), 5), unit), expected, atol=1e-7)


@pytest.mark.parametrize(("side", "kernel_size"), [(8, 3), (32, 3), (40, 5), (96, 9), (224, 23)])
def test_default_kernel_is_a_tenth_of_the_side(see, side, kernel_size):
    image = np.zeros((1, side, side, 1), "float32")
    image[0, side // 2, side // 2] = 1.0
    rows = np.flatnonzero(see(GaussianBlur(20.0), image)[0, :, side // 2, 0])
    assert len(rows) == kernel_size


def test_the_shorter_side_counts(see):
    image = np.zeros((1, 20, 96, 1), "float32")
    image[0, 10, 48] = 1.0
    assert (see(GaussianBlur(20.0), image) > 0).sum() == 9


def test_one_number_is_a_fixed_sigma(golden, unit, see):
    got = see(GaussianBlur(1.3, 9), unit)
    np.testing.assert_allclose(got[2], golden["blur/9"][2], atol=2e-6)
    assert not GaussianBlur(1.3).is_random


@pytest.mark.parametrize("sigma", [0.0, -1.0, (0.0, 1.0), (2.0, 1.0), (0.1, float("inf")), "1"])
def test_bad_sigma(sigma):
    with pytest.raises(ValueError, match="`sigma` must be .*Received: sigma="):
        GaussianBlur(sigma)


@pytest.mark.parametrize("kernel_size", [2, 0, -1, 2.5])
def test_bad_kernel_size(kernel_size):
    with pytest.raises(ValueError, match=f"`kernel_size` must be .*Received: kernel_size={kernel_size}"):
        GaussianBlur(1.0, kernel_size)


@pytest.mark.slow
def test_conforms():
    check_view(GaussianBlur(), image_size=6)
    check_view(GaussianBlur((0.5, 3.0), 7), image_size=8, channels=5)
