"""Histograms of oriented gradients: a slow reference, edges of known direction, what changes nothing."""

import keras
import numpy as np
import pytest

from keras_ssl.losses.hog_targets import hog_targets
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def mirrored(index, size):
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


def slow(images, side, cells, bins, soft, epsilon):
    """Pixel by pixel, in float64."""
    images = images.astype("float64")
    count, height, width, channels = images.shape
    rows, columns, cell = height // side, width // side, side // cells
    found = np.zeros((count, rows, columns, cells, cells, channels, bins))
    for n in range(count):
        for c in range(channels):

            def at(row, column, n=n, c=c):
                return images[n, mirrored(row, height), mirrored(column, width), c]

            for i in range(rows * side):
                for j in range(columns * side):
                    gx = sum(w * (at(i + k, j - 1) - at(i + k, j + 1)) for k, w in ((-1, 1), (0, 2), (1, 1)))
                    gy = sum(w * (at(i - 1, j + k) - at(i + 1, j + k)) for k, w in ((-1, 1), (0, 2), (1, 1)))
                    place = np.arctan2(gx, gy) / np.pi * bins % bins
                    place_of = (n, i // side, j // side, i % side // cell, j % side // cell, c)
                    if not soft:
                        found[(*place_of, int(place) % bins)] += np.hypot(gx, gy)
                        continue
                    low = int(np.floor(place - 0.5))
                    part = place - 0.5 - low
                    found[(*place_of, low % bins)] += (1 - part) * np.hypot(gx, gy)
                    found[(*place_of, (low + 1) % bins)] += part * np.hypot(gx, gy)
    found /= np.sqrt((found**2).sum(axis=-1, keepdims=True) + epsilon**2)
    return found.reshape(count, rows * columns, -1)


@pytest.mark.parametrize(
    ("cells", "bins", "soft", "epsilon"), [(1, 9, True, 1e-3), (2, 9, False, 1e-3), (2, 5, True, 0.3)]
)
def test_equals_the_reference(cells, bins, soft, epsilon):
    images = draws(2, 9, 13, 2)
    found = numbers(hog_targets(images, 4, cells, bins, soft, epsilon))
    np.testing.assert_allclose(found, slow(images, 4, cells, bins, soft, epsilon), atol=2e-5)


def test_an_edge_of_one_direction_fills_one_bin():
    """Closed form: of a ramp to the right all gradients have one angle, half of half a turn, the middle of bin 4."""
    ramp = np.tile(np.arange(8.0)[None, None, :, None], (1, 8, 1, 1))
    wanted = np.eye(9)[4]
    for soft in (True, False):
        np.testing.assert_allclose(numbers(hog_targets(ramp, 8, 1, soft=soft, epsilon=1e-9))[0, 0], wanted, atol=1e-6)
    downward = numbers(hog_targets(np.transpose(ramp, (0, 2, 1, 3)), 8, 1, epsilon=1e-9))[0, 0]
    # The angle 0 lies between the last bin and the first, which get the same.
    np.testing.assert_allclose(downward, (np.eye(9)[0] + np.eye(9)[8]) / np.sqrt(2), atol=1e-6)


def test_brightness_contrast_and_sign_of_a_channel_change_nothing():
    images = draws(2, 8, 8, 3)
    scale, shift = np.array([0.5, 3.0, -2.0], "float32"), np.array([1.0, -4.0, 0.3], "float32")
    first, second = (numbers(hog_targets(x, 4, epsilon=1e-6)) for x in (images, images * scale + shift))
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_flat_images_and_rounding_give_about_0():
    flat = np.full((1, 8, 8, 1), 0.3, "float32") + 1e-7 * draws(1, 8, 8, 1)
    assert np.abs(numbers(hog_targets(flat, 4))).max() < 1e-2
    assert np.abs(numbers(hog_targets(np.ones((1, 8, 8, 1)), 4))).max() == 0.0


def test_histograms_have_length_1():
    found = numbers(hog_targets(draws(2, 8, 8, 3), 4, cells=2, epsilon=1e-6)).reshape(2, 4, 12, 9)
    np.testing.assert_allclose((found**2).sum(axis=-1), 1.0, rtol=1e-5)
    assert (found >= 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "patch_size=0"),
        ({"patch_size": 4, "cells": 3}, "cells=3"),
        ({"patch_size": 4, "bins": 0}, "bins=0"),
        ({"patch_size": 4, "epsilon": 0.0}, "epsilon=0.0"),
        ({"patch_size": 16}, "shape="),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        hog_targets(np.zeros((1, 8, 8, 3), "float32"), **options)
