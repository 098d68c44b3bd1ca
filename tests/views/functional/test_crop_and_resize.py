"""Held to torchvision's antialiased resized_crop, to PIL's, and to what a resize must do."""

import importlib

import numpy as np
import pytest
from keras import ops

from keras_ssl.views.functional import crop_and_resize
from keras_ssl.views.functional.crop_and_resize import resize_matrix

CROPS = ("whole_smaller", "whole_same", "boxes", "larger")


@pytest.fixture(params=["products", "sums", "blocks"], autouse=True)
def form(request, monkeypatch):
    """Everything holds of all ways to compute it."""
    module = importlib.import_module("keras_ssl.views.functional.crop_and_resize")
    monkeypatch.setattr(module, "local_sums_pay", lambda *numbers: request.param != "products")
    if request.param == "blocks":
        monkeypatch.setattr(module, "_LEAST_COLUMNS", 4)  # the images are small


def crop(images, boxes, size, interpolation):
    return ops.convert_to_numpy(crop_and_resize(images, *np.asarray(boxes).T, size, interpolation))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("name", CROPS)
def test_equals_torchvision(golden, unit, name, interpolation):
    size = tuple(int(v) for v in golden[f"size/{name}"])
    got = crop(unit, golden[f"boxes/{name}"], size, interpolation)
    np.testing.assert_allclose(got, golden[f"crop/{interpolation}/{name}"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", CROPS)
def test_equals_pil_up_to_its_rounding(golden, name):
    size = tuple(int(v) for v in golden[f"size/{name}"])
    got = crop(golden["images"].astype("float32"), golden[f"boxes/{name}"], size, "bilinear")
    # One half for each of the two directions.
    assert np.abs(got - golden[f"pil_crop/{name}"]).max() <= 1.01


def test_own_size_of_the_whole_image_is_the_image(unit):
    got = crop(unit, [[0, 0, 20, 16]] * 4, (20, 16), "bilinear")
    np.testing.assert_allclose(got, unit, atol=1e-7)


def test_halving_the_number_of_pixels_in_a_box_filters_it(unit):
    # At scale 2 the antialiased triangle has the weights 1 3 3 1 (over 8) away from the edges.
    weights = np.array([1, 3, 3, 1], "float32") / 8
    got = crop(unit, [[0, 0, 20, 16]] * 4, (10, 8), "bilinear")
    expected = np.einsum("nijc,i,j->nc", unit[:, 5:9, 3:7], weights, weights)
    np.testing.assert_allclose(got[:, 3, 2], expected, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_boxes_of_every_width_and_place(unit, interpolation):
    boxes = np.array([[0, left, 20, width] for width in range(1, 17) for left in range(17 - width)])
    images = np.resize(unit, (len(boxes), *unit.shape[1:]))
    got = crop(images, boxes, (20, 16), interpolation)
    columns = resize_matrix(boxes[:, 1], boxes[:, 3], 16, 16, interpolation)
    expected = np.einsum("nhwc,nqw->nhqc", images, ops.convert_to_numpy(columns))
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_nothing_outside_the_box_is_seen(unit):
    box = [[4, 3, 9, 8]] * 4
    poisoned = np.full_like(unit, 1e9)
    poisoned[:, 4:13, 3:11] = unit[:, 4:13, 3:11]
    for interpolation in ("bilinear", "bicubic"):
        np.testing.assert_array_equal(
            crop(poisoned, box, (12, 5), interpolation), crop(unit, box, (12, 5), interpolation)
        )


def test_any_number_of_channels(unit):
    seven = np.concatenate([unit, unit, unit[..., :1]], axis=-1)
    got = crop(seven, [[1, 2, 10, 11]] * 4, (6, 6), "bilinear")
    np.testing.assert_allclose(got[..., 3:6], crop(unit, [[1, 2, 10, 11]] * 4, (6, 6), "bilinear"), atol=1e-6)


def test_unknown_interpolation(unit):
    with pytest.raises(ValueError, match="interpolation='nearest'"):
        crop_and_resize(unit, [0], [0], [1], [1], (2, 2), "nearest")
