"""Warps by matrices: pixel by pixel in float64, turns that are exact, and what lies outside."""

import numpy as np
import pytest

from keras_ssl.views.functional.affine_warp import affine_warp, turn_and_zoom
from tests.objectives.reference import draws

IMAGES = draws(3, 5, 7, 2)
MATRICES = np.array([[[0.8, -0.3, 0.1], [0.4, 1.1, -0.2]], [[1, 0, 0], [0, 1, 0]], [[2, 0, 0.5], [0, 2, 0]]], "float32")


def slow(images, matrices, outside):
    count, height, width, channels = images.shape
    found = np.zeros(images.shape)
    for n, i, j in np.ndindex(count, height, width):
        x, y = (2 * j + 1) / width - 1, (2 * i + 1) / height - 1
        u, v = matrices[n].astype("float64") @ [x, y, 1]
        column, row = ((u + 1) * width - 1) / 2, ((v + 1) * height - 1) / 2
        for r in (int(np.floor(row)), int(np.floor(row)) + 1):
            for c in (int(np.floor(column)), int(np.floor(column)) + 1):
                weight = (1 - abs(row - r)) * (1 - abs(column - c))
                if outside == "zero" and not (0 <= r < height and 0 <= c < width):
                    continue
                found[n, i, j] += weight * images[n, np.clip(r, 0, height - 1), np.clip(c, 0, width - 1)]
    return found


@pytest.mark.parametrize("outside", ["edge", "zero"])
def test_equals_the_reference(outside):
    np.testing.assert_allclose(affine_warp(IMAGES, MATRICES, outside), slow(IMAGES, MATRICES, outside), atol=1e-4)


def test_identity_changes_nothing_and_a_constant_image_stays_so():
    same = np.tile(np.eye(2, 3, dtype="float32"), (3, 1, 1))
    np.testing.assert_allclose(affine_warp(IMAGES, same), IMAGES, atol=1e-5)
    np.testing.assert_allclose(affine_warp(np.full_like(IMAGES, 0.4), MATRICES), 0.4, atol=1e-6)


def test_a_zoom_of_2_shows_the_image_at_half_its_size():
    warped = np.asarray(affine_warp(np.ones((1, 8, 8, 1), "float32"), turn_and_zoom([0.0], [2.0]), "zero"))[0, ..., 0]
    expected = np.zeros((8, 8))
    expected[2:6, 2:6] = 1
    np.testing.assert_allclose(warped, expected, atol=1e-6)


def test_one_matrix_moves_an_image_and_a_smaller_map_alike():
    fine = np.kron(IMAGES[:1, :4, :4], np.ones((1, 2, 2, 1), "float32"))
    turn = turn_and_zoom([np.pi / 2], [1.0])
    coarse = np.asarray(affine_warp(IMAGES[:1, :4, :4], turn))
    np.testing.assert_allclose(affine_warp(fine, turn), np.kron(coarse, np.ones((1, 2, 2, 1))), atol=1e-4)


def test_turns_compose():
    first, second = turn_and_zoom([0.3], [0.8]), turn_and_zoom([0.5], [1.5])
    product = np.asarray(first)[0, :, :2] @ np.asarray(second)[0, :, :2]
    np.testing.assert_allclose(np.asarray(turn_and_zoom([0.8], [1.2]))[0, :, :2], product, atol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="Received: outside='wrap'"):
        affine_warp(IMAGES, MATRICES, "wrap")
