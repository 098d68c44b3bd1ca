"""Held to torchvision's adjust_... functions, and to colors known in advance."""

import colorsys

import numpy as np
import pytest
from keras import ops

from keras_ssl.views import functional


def run(function, *arguments):
    return ops.convert_to_numpy(function(*arguments))


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_equals_torchvision(golden, unit, name, shift):
    factors = np.roll(golden["hues" if name == "hue" else "factors"], shift)
    got = run(getattr(functional, f"adjust_{name}"), unit, factors)
    np.testing.assert_allclose(got, golden[f"{name}/{shift}"], rtol=0, atol=2e-6)


def test_rgb_to_grayscale_equals_torchvision(golden, unit):
    np.testing.assert_allclose(run(functional.rgb_to_grayscale, unit), golden["gray"], rtol=0, atol=1e-6)


def test_hue_equals_the_textbook_hsv(unit):
    turns = np.array([0.2, -0.4, 0.5, 0.01], "float32")
    expected = np.empty_like(unit)
    for index in np.ndindex(unit.shape[:3]):
        hue, saturation, value = colorsys.rgb_to_hsv(*unit[index].astype("float64"))
        expected[index] = colorsys.hsv_to_rgb((hue + turns[index[0]]) % 1.0, saturation, value)
    np.testing.assert_allclose(run(functional.adjust_hue, unit, turns), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factor_one_is_the_identity(unit, name):
    np.testing.assert_allclose(run(getattr(functional, f"adjust_{name}"), unit, [1.0] * 4), unit, atol=1e-7)


@pytest.mark.parametrize("turns", [0.0, 1.0, -1.0])
def test_whole_turns_of_the_hue_are_the_identity(unit, turns):
    np.testing.assert_allclose(run(functional.adjust_hue, unit, [turns] * 4), unit, atol=2e-6)


def test_hue_turns_add_up(unit):
    twice = functional.adjust_hue(functional.adjust_hue(unit, [0.15] * 4), [0.2] * 4)
    np.testing.assert_allclose(ops.convert_to_numpy(twice), run(functional.adjust_hue, unit, [0.35] * 4), atol=3e-6)


def test_half_a_turn_gives_the_complement():
    colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], "float32").reshape(5, 1, 1, 3)
    expected = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1]], "float32").reshape(5, 1, 1, 3)
    np.testing.assert_allclose(run(functional.adjust_hue, colors, [0.5] * 5), expected, atol=1e-6)


def test_no_contrast_leaves_the_gray_mean(unit):
    got = run(functional.adjust_contrast, unit, [0.0] * 4)
    mean = (unit @ np.array([0.2989, 0.587, 0.114], "float32")).mean(axis=(1, 2))
    np.testing.assert_allclose(got, np.broadcast_to(mean[:, None, None, None], got.shape), atol=1e-6)


def test_one_channel(unit):
    single = unit[..., :1]
    for function in (functional.adjust_saturation, functional.adjust_hue):
        np.testing.assert_array_equal(run(function, single, [0.3] * 4), single)
    np.testing.assert_array_equal(run(functional.rgb_to_grayscale, single), single)
    expected = np.clip(1.5 * single - 0.5 * single.mean(axis=(1, 2), keepdims=True), 0, 1)
    np.testing.assert_allclose(run(functional.adjust_contrast, single, [1.5] * 4), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["adjust_saturation", "adjust_hue", "rgb_to_grayscale"])
def test_other_channel_counts_are_refused(unit, name):
    images = np.concatenate([unit, unit[..., :1]], axis=-1)
    arguments = () if name == "rgb_to_grayscale" else ([0.5] * 4,)
    with pytest.raises(ValueError, match=rf"{name} works on images of 3 channels.*\(4, 20, 16, 4\)"):
        getattr(functional, name)(images, *arguments)
