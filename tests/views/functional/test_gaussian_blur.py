"""Held to torchvision's gaussian_blur, and to what a blur must do."""

import importlib

import numpy as np
import pytest
from keras import ops

from keras_ssl.views.functional import gaussian_blur


@pytest.fixture(params=["products", "sums"], autouse=True)
def form(request, monkeypatch):
    """Everything holds of both ways to compute it."""
    module = importlib.import_module("keras_ssl.views.functional.gaussian_blur")
    monkeypatch.setattr(module, "local_sums_pay", lambda *numbers: request.param == "sums")


def blur(images, sigma, kernel_size):
    return ops.convert_to_numpy(gaussian_blur(images, sigma, kernel_size))


@pytest.mark.parametrize("kernel_size", [3, 9, 15])
def test_equals_torchvision(golden, unit, kernel_size):
    got = blur(unit, golden["sigmas"], kernel_size)
    np.testing.assert_allclose(got, golden[f"blur/{kernel_size}"], rtol=0, atol=2e-6)


def test_a_spot_becomes_the_kernel():
    spot = np.zeros((1, 9, 9, 1), "float32")
    spot[0, 4, 4] = 1.0
    taps = np.exp(-0.5 * (np.arange(-2, 3) / 1.5) ** 2)
    taps /= taps.sum()
    np.testing.assert_allclose(blur(spot, [1.5], 5)[0, 2:7, 2:7, 0], np.outer(taps, taps), atol=1e-7)


def test_a_constant_image_stays(unit):
    np.testing.assert_allclose(blur(np.full_like(unit, 0.3), [2.0] * 4, 15), 0.3, atol=1e-6)


def test_one_tap_is_the_identity(unit):
    np.testing.assert_allclose(blur(unit, [1.0] * 4, 1), unit, atol=1e-7)


@pytest.mark.parametrize("kernel_size", [2, 0, -3, 33])
def test_bad_kernel_size(unit, kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size} for images of 20 x 16 pixels"):
        gaussian_blur(unit, [1.0] * 4, kernel_size)


def test_largest_kernel_size(unit):
    assert np.isfinite(blur(unit, [2.0] * 4, 31)).all()
