import json

import keras
import numpy as np
import pytest

from keras_ssl.layers.image_preprocessing import IMAGENET_MEAN, IMAGENET_STD, ImagePreprocessing


def images(channels=3, seed=0):
    """uint8 images that hold both ends of the scale."""
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 4, 5, channels), dtype="uint8")
    pixels[0, 0, 0], pixels[1, 0, 0] = 0, 255
    return pixels


def numbers(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def reference(pixels, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    return (pixels.astype("float64") / 255 - np.asarray(mean)) / np.asarray(std)


@pytest.mark.parametrize(("dtype", "times"), [("uint8", 1), ("uint16", 257)])
def test_integers_are_scaled_and_normalized(dtype, times):
    layer = ImagePreprocessing()
    np.testing.assert_allclose(numbers(layer(images().astype(dtype) * times)), reference(images()), atol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "int16", "bool"])
def test_other_types_need_a_range(dtype):
    pixels = images().astype(dtype)
    with pytest.raises(ValueError, match=f"value_range.*Received: images.dtype={dtype}"):
        ImagePreprocessing()(pixels)
    high = 1 if dtype == "bool" else 255
    layer = ImagePreprocessing(value_range=(0, high))
    np.testing.assert_allclose(numbers(layer(pixels)), reference(pixels.astype("float32") * 255 / high), atol=1e-6)


def test_floats_in_the_unit_range_equal_the_integers():
    pixels, layer = images(), ImagePreprocessing()
    expected = numbers(layer(pixels))
    np.testing.assert_allclose(numbers(layer(pixels.astype("float32") / 255)), expected, atol=1e-6)
    np.testing.assert_allclose(numbers(layer(pixels.astype("float64") / 255)), expected, atol=1e-6)


def test_the_known_values_of_black_and_white():
    pixels = np.stack([np.zeros((2, 2, 3), "uint8"), np.full((2, 2, 3), 255, "uint8")])
    y = numbers(ImagePreprocessing()(pixels))
    np.testing.assert_allclose(y[0, 0, 0], [-2.117904, -2.035714, -1.804444], atol=1e-6)
    np.testing.assert_allclose(y[1, 0, 0], [2.248908, 2.428571, 2.640000], atol=1e-6)


def test_integers_are_divided_however_dark_the_batch_is():
    pixels = np.ones((1, 2, 2, 3), "uint8")
    np.testing.assert_allclose(numbers(ImagePreprocessing()(pixels)), reference(pixels), atol=1e-6)


def test_a_float_image_outside_its_range_becomes_nan_and_leaves_the_others_alone():
    unit = images().astype("float32") / 255
    expected = numbers(ImagePreprocessing()(unit))
    for value in (-0.1, 1.1, 2.0, 200.0):
        pixels = unit.copy()
        pixels[1, 2, 2, 0] = value
        y = numbers(ImagePreprocessing()(pixels))
        assert np.isnan(y[1]).all()
        np.testing.assert_array_equal(y[0], expected[0])


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 4095), (0.0, 255.0), (100, 101)])
def test_a_declared_range_is_that_of_every_type(value_range):
    low, high = value_range
    unit = images() / 255.0
    layer = ImagePreprocessing(value_range=value_range)
    y = numbers(layer((low + (high - low) * unit).astype("float32")))
    np.testing.assert_allclose(y, reference(images()), atol=1e-4)
    assert layer.from_config(json.loads(json.dumps(layer.get_config()))).value_range == (low, high)
    outside = np.full((1, 2, 2, 3), high + 0.01 * (high - low), "float32")
    assert np.isnan(numbers(layer(outside))).all()


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_one_number_serves_any_number_of_channels(channels):
    pixels = images(channels)
    y = numbers(ImagePreprocessing(mean=0.5, std=0.25)(pixels))
    assert y.shape == pixels.shape
    np.testing.assert_allclose(y, reference(pixels, 0.5, 0.25), atol=1e-6)


def test_statistics_by_channel():
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    pixels = images(4)
    y = numbers(ImagePreprocessing(mean=np.array(mean), std=list(std))(pixels))
    np.testing.assert_allclose(y, reference(pixels, mean, std), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 4])
def test_statistics_of_three_channels_do_not_fit_other_images(channels):
    # A gray image would broadcast to three channels, against the shape that the layer promises.
    layer = ImagePreprocessing()
    with pytest.raises(ValueError, match="Received"):
        layer(images(channels))
    with pytest.raises(ValueError, match="Received"):
        layer.normalize(images(channels) / np.float32(255))


def test_the_two_halves_make_the_whole():
    pixels, layer = images(), ImagePreprocessing()
    unit = layer.to_unit_range(pixels)
    assert keras.backend.standardize_dtype(unit.dtype) == "float32"
    np.testing.assert_allclose(numbers(unit), pixels / 255.0, atol=1e-7)
    np.testing.assert_array_equal(numbers(layer.normalize(unit)), numbers(layer(pixels)))


@pytest.mark.parametrize(("policy", "bits"), [("mixed_float16", 11), ("mixed_bfloat16", 8)])
def test_mixed_precision_rounds_the_result_and_not_the_pixels(policy, bits):
    # Next to the mean the difference is small: pixels in half precision would have lost most of its digits.
    pixels = (np.array(IMAGENET_MEAN) + np.linspace(-0.01, 0.01, 7)[:, None]).reshape(1, 7, 1, 3)
    pixels = (np.concatenate([pixels, np.ones((1, 1, 1, 3))], axis=1)).astype("float32")
    layer = ImagePreprocessing(dtype=policy)
    y = layer(pixels)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    expected = (pixels.astype("float64") - IMAGENET_MEAN) / IMAGENET_STD
    # Half a unit in the last place of the result, and what float32 loses before it.
    np.testing.assert_allclose(numbers(y), expected, rtol=2.0**-bits, atol=2e-6)
    inputs = keras.Input((8, 1, 3))
    model = keras.Model(inputs, layer(inputs))
    np.testing.assert_array_equal(numbers(model(pixels)), numbers(y))


def test_half_precision_images_are_scaled_in_float32():
    pixels = images()
    for dtype in ("float16", "bfloat16"):
        half = keras.ops.cast(keras.ops.convert_to_tensor(pixels), dtype)
        y = ImagePreprocessing(value_range=(0, 255))(half)
        np.testing.assert_allclose(numbers(y), reference(pixels), atol=1e-6)


def test_pixels_that_keras_cast_to_floats_on_their_way_are_nan():
    for dtype, right in (("uint8", True), (None, False)):  # without a dtype the input is float32
        inputs = keras.Input((4, 5, 3), dtype=dtype)
        y = keras.Model(inputs, ImagePreprocessing()(inputs)).predict(images(), verbose=0)
        if right:
            np.testing.assert_allclose(y, reference(images()), atol=1e-6)
        else:
            assert np.isnan(y).all()


def test_output_shape_and_no_weights():
    layer = ImagePreprocessing()
    assert layer.compute_output_shape((None, 4, 5, 3)) == (None, 4, 5, 3)
    assert tuple(layer(keras.Input((4, 5, 3), dtype="uint8")).shape) == (None, 4, 5, 3)
    assert layer.weights == []


@pytest.mark.parametrize(
    ("mean", "std"), [(0.5, 0.25), ((0.1, 0.2, 0.3), np.array([0.4, 0.5, 0.6])), (np.float32(0.5), 1)]
)
def test_config_round_trip(mean, std):
    layer = ImagePreprocessing(mean=mean, std=std, name="pre", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(layer.get_config()))
    again = ImagePreprocessing.from_config(config)
    assert again.get_config() == layer.get_config()
    assert (again.name, again.compute_dtype) == ("pre", "bfloat16")
    np.testing.assert_allclose(again.mean, mean)
    np.testing.assert_allclose(again.std, std)


def test_saves_and_loads(tmp_path):
    inputs = keras.Input((4, 5, 3), dtype="uint8")
    model = keras.Model(inputs, ImagePreprocessing(mean=0.4, std=(0.1, 0.2, 0.3))(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(images(), verbose=0), model.predict(images(), verbose=0))


@pytest.mark.parametrize("std", [0.0, -1.0, (0.1, 0.0, 0.2), float("nan")])
def test_refuses_a_standard_deviation_that_is_not_positive(std):
    with pytest.raises(ValueError, match="`std` must be positive. Received: std="):
        ImagePreprocessing(std=std)
