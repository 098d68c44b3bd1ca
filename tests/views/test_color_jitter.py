import colorsys

import numpy as np
import pytest
from keras import ops

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import ColorJitter, functional

NAMES = ("brightness", "contrast", "saturation", "hue")


@pytest.mark.slow
def test_equals_the_adjustments_one_by_one(unit, see, make_stream):
    """The draws, read from an equal stream: four that order the adjustments, then their factors."""
    images = np.tile(unit, (4, 1, 1, 1))
    got = see(ColorJitter(0.8, 0.7, 0.6, 0.2), images)
    draws = ops.convert_to_numpy(make_stream(16).uniform(shape=(8,)))
    lows, highs = np.array([0.2, 0.3, 0.4, -0.2]), np.array([1.8, 1.7, 1.6, 0.2])
    factors = lows + (highs - lows) * draws[:, 4:]
    places = np.argsort(draws[:, :4], axis=1, kind="stable")
    expected = images.copy()
    for n in range(16):
        image = images[n : n + 1]
        for place in range(4):
            which = int(np.flatnonzero(places[n] == place)[0])
            image = getattr(functional, f"adjust_{NAMES[which]}")(image, factors[n, which : which + 1])
        expected[n] = ops.convert_to_numpy(image)[0]
    np.testing.assert_allclose(got, expected, atol=5e-6)
    assert len({tuple(row) for row in places}) > 8


def test_brightness_multiplies_uniformly(see):
    factors = see(ColorJitter(brightness=0.4), np.full((2000, 1, 1, 3), 0.5, "float32"))[:, 0, 0, 0] / 0.5
    assert 0.6 <= factors.min() < 0.61 and 1.39 < factors.max() <= 1.4
    assert abs(factors.mean() - 1.0) < 0.02 and abs(factors.std() - 0.8 / 12**0.5) < 0.01


def test_hue_turns_to_both_sides(see):
    red = np.tile(np.array([1.0, 0.0, 0.0], "float32"), (500, 1, 1, 1))
    pixels = see(ColorJitter(hue=0.1), red)[:, 0, 0]
    turns = np.array([(colorsys.rgb_to_hsv(*pixel)[0] + 0.5) % 1.0 - 0.5 for pixel in pixels])
    assert -0.1001 < turns.min() < -0.095 and 0.095 < turns.max() < 0.1001
    assert abs(turns.mean()) < 0.01


def test_factors_are_never_negative():
    assert ColorJitter(brightness=1.6).ranges == {"brightness": (0.0, 2.6)}


def test_pairs_are_the_factors_themselves():
    view = ColorJitter(brightness=(0.9, 1.0), contrast=0.0, hue=(-0.1, 0.3))
    assert view.ranges == {"brightness": (0.9, 1.0), "hue": (-0.1, 0.3)}


def test_fixed_factors_in_random_order(see, golden, unit):
    single = ColorJitter(saturation=(0.35, 0.35))
    assert not single.is_random
    np.testing.assert_allclose(see(single, unit)[1], golden["saturation/0"][1], atol=2e-6)
    assert ColorJitter(brightness=(2.0, 2.0), contrast=(2.0, 2.0)).is_random


def test_nothing_to_do(unit, see):
    np.testing.assert_array_equal(see(ColorJitter(), unit), unit)
    assert not ColorJitter().is_random


@pytest.mark.slow
def test_channels(see):
    single = np.random.default_rng(0).random((2, 4, 4, 1), dtype="float32")
    assert np.abs(see(ColorJitter(0.4, 0.4, 0.4, 0.1), single) - single).max() > 0.01
    np.testing.assert_allclose(see(ColorJitter(saturation=0.4, hue=0.1), single), single, atol=1e-7)
    with pytest.raises(ValueError, match=r"3 channels.*\(2, 4, 4, 5\)"):
        see(ColorJitter(saturation=0.4), np.zeros((2, 4, 4, 5), "float32"))


def test_brightness_and_contrast_take_any_channels(see):
    images = np.random.default_rng(0).random((2, 4, 4, 5), dtype="float32")
    bright = see(ColorJitter(brightness=(0.5, 0.5)), images)
    np.testing.assert_allclose(bright, 0.5 * images, atol=1e-6)
    flat = see(ColorJitter(contrast=(0.0, 0.0)), images)
    np.testing.assert_allclose(flat, np.broadcast_to(images.mean((1, 2, 3), keepdims=True), images.shape), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-0.1, (1.4, 0.6), (0.1, 0.2, 0.3), "much", None, float("nan"), float("inf")])
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        ColorJitter(**{name: value})


@pytest.mark.parametrize("hue", [0.6, (-0.6, 0.0), (0.0, 0.6)])
def test_hue_is_at_most_half_a_turn(hue):
    with pytest.raises(ValueError, match="`hue` must be .*Received: hue="):
        ColorJitter(hue=hue)


@pytest.mark.slow
def test_conforms():
    check_view(ColorJitter(0.8, 0.8, 0.8, 0.2), image_size=8)


@pytest.mark.slow
def test_conforms_with_one_channel():
    check_view(ColorJitter(0.4, 0.4, 0.2, 0.1), image_size=6, channels=1)
