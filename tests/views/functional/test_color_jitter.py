"""Held to torchvision's four adjustments, called in each of their 24 orders."""

import numpy as np
import pytest
from keras import ops

from keras_ssl.views import functional

NAMES = ("brightness", "contrast", "saturation", "hue")


def test_every_order_equals_torchvision(golden):
    # An order lists the adjustments; the places are its inverse.
    places = np.argsort(golden["jitter/orders"], axis=1).astype("int32")
    factors = dict(zip(NAMES, golden["jitter/factors"].T, strict=True))
    got = ops.convert_to_numpy(functional.color_jitter(golden["jitter/images"], places, **factors))
    np.testing.assert_allclose(got, golden["jitter/result"], rtol=0, atol=5e-6)


def test_the_orders_differ(golden):
    """Otherwise the test above could not tell them apart."""
    images = np.repeat(golden["jitter/images"][:1], 24, axis=0)
    places = np.argsort(golden["jitter/orders"], axis=1).astype("int32")
    factors = {name: np.full(24, value, "float32") for name, value in zip(NAMES, (1.6, 1.7, 1.8, 0.2), strict=True)}
    got = ops.convert_to_numpy(functional.color_jitter(images, places, **factors))
    pairs = np.abs(got[:, None] - got[None]).max(axis=(2, 3, 4))
    assert (pairs[~np.eye(24, dtype=bool)] > 1e-3).mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_one_adjustment_alone(unit, name):
    factor = np.array([0.1, 0.2, 0.3, 0.4], "float32")
    got = functional.color_jitter(unit, np.zeros((4, 1), "int32"), **{name: factor})
    expected = getattr(functional, f"adjust_{name}")(unit, factor)
    np.testing.assert_allclose(ops.convert_to_numpy(got), ops.convert_to_numpy(expected), atol=1e-6)


def test_two_adjustments_in_both_orders(unit):
    factors = {"contrast": np.full(4, 1.9, "float32"), "hue": np.full(4, 0.3, "float32")}
    places = np.array([[0, 1], [1, 0], [0, 1], [1, 0]], "int32")
    got = ops.convert_to_numpy(functional.color_jitter(unit, places, **factors))
    contrast, hue = functional.adjust_contrast, functional.adjust_hue
    contrast_first = ops.convert_to_numpy(hue(contrast(unit, factors["contrast"]), factors["hue"]))
    hue_first = ops.convert_to_numpy(contrast(hue(unit, factors["hue"]), factors["contrast"]))
    np.testing.assert_allclose(got[0::2], contrast_first[0::2], atol=2e-6)
    np.testing.assert_allclose(got[1::2], hue_first[1::2], atol=2e-6)


def test_no_turn_without_a_blend_clips(unit):
    """Before a hue that comes first, values outside of [0, 1] are what they are for `adjust_hue`."""
    images = 1.5 * unit - 0.2
    factors = {name: np.full(4, value, "float32") for name, value in zip(NAMES, (0.9, 0.8, 0.7, 0.3), strict=True)}
    order = ("hue", "saturation", "brightness", "contrast")
    places = np.tile(np.array([order.index(name) for name in NAMES], "int32"), (4, 1))
    expected = images
    for name in order:
        expected = getattr(functional, f"adjust_{name}")(expected, factors[name])
    got = functional.color_jitter(images, places, **factors)
    np.testing.assert_allclose(ops.convert_to_numpy(got), ops.convert_to_numpy(expected), atol=2e-6)


def test_one_channel_keeps_saturation_and_hue(unit):
    single = unit[..., :1]
    places = np.tile(np.arange(4, dtype="int32"), (4, 1))
    factors = {name: np.full(4, 0.4, "float32") for name in NAMES}
    got = functional.color_jitter(single, places, **factors)
    expected = functional.adjust_contrast(functional.adjust_brightness(single, [0.4] * 4), [0.4] * 4)
    np.testing.assert_allclose(ops.convert_to_numpy(got), ops.convert_to_numpy(expected), atol=1e-6)
