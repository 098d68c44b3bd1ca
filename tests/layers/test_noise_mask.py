"""Noise masks: draws from Beta distributions, enlarged and blurred grids."""

import keras
import numpy as np
import pytest
from scipy.stats import beta as scipy_beta
from scipy.stats import kstest

from keras_ssl.layers import NoiseMask, beta_draws
from keras_ssl.random import Stream


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.5), (1.0, 1.0), (2.0, 5.0), (30.0, 0.7)])
def test_draws_follow_their_distribution(a, b):
    stream = Stream(seed=3, step=1, positions=np.arange(4000))
    logs = [keras.ops.full((4000, 2), np.log(p), dtype="float32") for p in (a, b)]
    drawn = numbers(beta_draws(stream, *logs))
    assert drawn.shape == (4000, 2) and ((drawn > 0) & (drawn < 1)).all()
    for cell in range(2):
        # Ends are kept off, and beyond 1e-6 of them float32 has few numbers.
        inside = drawn[:, cell].astype("float64")
        assert kstest(inside, lambda x: scipy_beta.cdf(x, a, b)).pvalue > 1e-3
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.06


def test_a_sample_draws_what_it_would_alone():
    logs = [keras.ops.zeros((4, 3)), keras.ops.ones((4, 3))]
    together = numbers(beta_draws(Stream(seed=0, step=2, positions=np.arange(4)), *logs))
    for i in range(4):
        alone = beta_draws(Stream(seed=0, step=2, positions=np.array([i])), *(p[i : i + 1] for p in logs))
        np.testing.assert_allclose(numbers(alone)[0], together[i], rtol=1e-6)


def slow_mask(cells, grid, height, width, sigma):
    """Pixel by pixel."""
    sharp = np.array(
        [[cells[(h * grid // height) * grid + w * grid // width] for w in range(width)] for h in range(height)]
    )
    if not sigma:
        return sharp
    out = np.zeros((height, width))
    for h in range(height):
        for w in range(width):
            weights = np.array(
                [[np.exp(-((i - h) ** 2 + (j - w) ** 2) / (2 * sigma**2)) for j in range(width)] for i in range(height)]
            )
            out[h, w] = (weights * sharp).sum() / weights.sum()
    return out


@pytest.mark.parametrize("sigma", [0.0, 0.8])
@pytest.mark.parametrize("amplitude", [1.0, 0.4])
def test_equals_the_definition(sigma, amplitude):
    random = np.random.RandomState(0)
    images, cells = random.normal(size=(2, 7, 6, 3)), random.uniform(size=(2, 9))
    found = numbers(NoiseMask(3, sigma, amplitude)(images.astype("float32"), cells.astype("float32")))
    for n in range(2):
        mask = slow_mask(cells[n], 3, 7, 6, sigma)
        np.testing.assert_allclose(found[n], images[n] * (1 - amplitude * (1 - mask))[..., None], atol=1e-5)


def test_range_and_identities():
    cells = np.random.RandomState(0).uniform(size=(5, 16)).astype("float32")
    mask = numbers(NoiseMask(4, 2.0).mask(cells, 16, 16))
    assert mask.shape == (5, 16, 16, 1) and mask.min() >= cells.min() and mask.max() <= cells.max()
    images = np.random.RandomState(1).normal(size=(5, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(numbers(NoiseMask(4, 2.0, amplitude=0.0)(images, cells)), images)
    np.testing.assert_allclose(numbers(NoiseMask(4, 2.0)(images, np.ones_like(cells))), images, atol=1e-5)
    np.testing.assert_allclose(numbers(NoiseMask(4, 2.0)(images, np.zeros_like(cells))), 0.0, atol=1e-6)


def test_round_trip():
    layer = NoiseMask(3, 0.5, 0.7, name="mask")
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is NoiseMask and again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NoiseMask(grid=0), "grid=0"),
        (lambda: NoiseMask(grid=1.5), "grid=1.5"),
        (lambda: NoiseMask(sigma=-1.0), "sigma=-1"),
        (lambda: NoiseMask(sigma=float("nan")), "sigma=nan"),
        (lambda: NoiseMask(amplitude=1.5), "amplitude=1.5"),
        (lambda: NoiseMask(amplitude=float("nan")), "amplitude=nan"),
        (lambda: NoiseMask(2)(np.zeros((1, 4, 4)), np.zeros((1, 4))), "images.shape="),
        (lambda: NoiseMask(2)(np.zeros((1, 4, 4, 1)), np.zeros((1, 9))), "cells.shape="),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        call()
