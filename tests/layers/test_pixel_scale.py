"""The one rule for the scale of pixels."""

import keras
import numpy as np
import pytest

from keras_ssl.layers import pixel_scale
from keras_ssl.layers.pixel_scale import check_pixels, from_unit_range, inside, nan_unless, range_of, to_unit_range


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    ("dtype", "value_range", "expected"),
    [
        ("uint8", None, (0.0, 255.0)),
        ("uint16", None, (0.0, 65535.0)),
        ("float16", None, (0.0, 1.0)),
        ("bfloat16", None, (0.0, 1.0)),
        ("float32", None, (0.0, 1.0)),
        ("uint8", (0.0, 100.0), (0.0, 100.0)),
        ("int16", (-1024.0, 3071.0), (-1024.0, 3071.0)),
        ("bool", (0.0, 1.0), (0.0, 1.0)),
    ],
)
def test_the_type_or_a_range_decides(dtype, value_range, expected):
    assert range_of(dtype, value_range) == expected


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint32", "uint64", "bool"])
def test_other_integers_have_no_scale(dtype):
    message = f"cast them to uint8, or declare the range.*`value_range.*Received: images.dtype={dtype}"
    with pytest.raises(ValueError, match=message):
        to_unit_range(np.zeros((1, 2, 2, 3), dtype)) if dtype[-2:] != "64" else range_of(dtype)
    with pytest.raises(ValueError, match=message):
        check_pixels("x", np.zeros((1, 2, 2, 3), dtype))


@pytest.mark.parametrize(
    ("dtype", "low", "high", "value_range"),
    [
        ("uint8", 0, 255, None),
        ("uint16", 0, 65535, None),
        ("float32", 0, 1, None),
        ("int16", -1024, 3071, (-1024.0, 3071.0)),
        ("float32", -1, 1, (-1.0, 1.0)),
        ("uint8", 0, 100, (0.0, 100.0)),
    ],
)
def test_the_ends_become_0_and_1_whatever_is_beside_them(dtype, low, high, value_range):
    middle = (low + high) / 2 if dtype == "float32" else (low + high) // 2
    images = np.array([low, high, middle], dtype).reshape(3, 1, 1, 1)
    unit = array(to_unit_range(images, value_range))
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit.ravel(), [0, 1, (float(middle) - low) / (high - low)], atol=2e-7)
    for place in range(3):
        alone = array(to_unit_range(images[place : place + 1], value_range))
        np.testing.assert_array_equal(alone, unit[place : place + 1])
    back = array(from_unit_range(unit, dtype, value_range))
    np.testing.assert_allclose(back, images.astype("float32"), rtol=1e-6, atol=1e-6 * (high - low))


def test_a_sample_outside_becomes_nan_and_no_other():
    images = np.full((6, 2, 2, 1), 0.5, "float32")
    images[1, 0, 0], images[2, 0, 1], images[3, 1, 1], images[4, 1, 0] = 1.01, -0.01, np.nan, 1.0005
    made = array(nan_unless(inside(images), images))
    assert np.isnan(made).all((1, 2, 3)).tolist() == [False, True, True, True, False, False]
    np.testing.assert_array_equal(made[[0, 4, 5]], images[[0, 4, 5]])
    wide = array(inside(100.0 * images, (0.0, 101.0)))
    assert wide.tolist() == [True, True, False, False, True, True]


def test_values_outside_are_named_with_the_sample_and_the_remedy():
    images = np.full((5, 4, 4, 3), 0.5)
    check_pixels("x", images)
    images[3, 1, 1, 0] = -0.75
    with pytest.raises(
        ValueError, match=r"divide them.*255.*`value_range.*Received: x with the value -0.75 in sample 3"
    ):
        check_pixels("x", images)
    check_pixels("x", images, (-1.0, 1.0))
    images[4, 0, 0, 0] = 7.0
    with pytest.raises(ValueError, match=r"\(-1, 1\).*Received: x with the value 7 in sample 4"):
        check_pixels("x", images, (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"\(0, 100\).*Received: x with the value 101 in sample 1"):
        check_pixels("x", np.array([100, 101], "uint8").reshape(2, 1, 1, 1), (0.0, 100.0))
    check_pixels("x", np.full((2, 1, 1, 1), np.nan))  # which another check names


def test_values_are_read_block_by_block(monkeypatch):
    monkeypatch.setattr(pixel_scale, "_BLOCK", 8)
    images = np.zeros((7, 2, 2, 1), "float32")
    images[5, 1, 1] = 2.0
    for form in (images, keras.ops.convert_to_tensor(images)):
        with pytest.raises(ValueError, match="value 2 in sample 5"):
            check_pixels("x", form)


@pytest.mark.parametrize("bad", [(1, 0), (0, 0), (0,), (0, 1, 2), "ab", 5, (0, float("nan")), (0, float("inf"))])
def test_a_range_is_two_numbers_in_order(bad):
    with pytest.raises(ValueError, match="`value_range` must be.*Received: value_range="):
        pixel_scale.check_value_range(bad)
