import json

import keras
import numpy as np
import pytest

from keras_ssl.views import CenterCrop


def photo(height, width):
    """A smooth picture, as photos are: sharp noise would be all aliasing."""
    rows, columns = np.mgrid[0:height, 0:width] / 7.0
    waves = [np.sin(rows + 0.3 * k) * np.cos(columns - 0.2 * k) for k in range(3)]
    return np.round(127.5 + 120 * np.stack(waves, -1)).astype("uint8")


def pillow(image, size, interpolation):
    module = pytest.importorskip("PIL.Image")
    how = {"bilinear": module.Resampling.BILINEAR, "bicubic": module.Resampling.BICUBIC}[interpolation]
    return np.asarray(module.fromarray(image).resize(size[::-1], how)) / 255


def cropped(layer, image):
    return keras.ops.convert_to_numpy(layer(image[None]))[0]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "height, width, size", [(60, 91, (32, 48)), (91, 60, (48, 32)), (40, 40, (32, 32)), (20, 31, (32, 49))]
)
def test_it_is_what_pillow_resizes_and_torchvision_cuts_out(height, width, size, interpolation):
    image = photo(height, width)
    top, left = round((size[0] - 28) / 2), round((size[1] - 28) / 2)
    expected = pillow(image, size, interpolation)[top : top + 28, left : left + 28]
    actual = cropped(CenterCrop(28, resize=32, interpolation=interpolation), image)
    np.testing.assert_allclose(actual, expected, atol=2 / 255)  # Pillow rounds twice to 255 levels


@pytest.mark.slow
def test_a_proportion_is_cut_out_before_it_is_resized():
    image = photo(40, 57)  # 0.875 of 40 is 35, of which 3 rows and 11 columns lie before
    expected = pillow(np.ascontiguousarray(image[3:38, 11:46]), (28, 28), "bicubic")
    actual = cropped(CenterCrop(28, proportion=0.875, interpolation="bicubic"), image)
    np.testing.assert_allclose(actual, expected, atol=1.01 / 255)


@pytest.mark.slow
def test_it_stays_in_the_unit_range_and_takes_floats():
    image = np.zeros((16, 16, 1), "uint8")
    image[:, 8:] = 255
    layer = CenterCrop(20, resize=24, interpolation="bicubic")
    actual = cropped(layer, image)
    assert actual.min() == 0.0 and actual.max() == 1.0
    np.testing.assert_allclose(cropped(layer, image.astype("float32") / 255), actual, atol=1e-6)
    assert np.isnan(cropped(layer, image.astype("float32"))).any()  # outside of [0, 1]: the type decides the scale
    with pytest.raises(ValueError, match="known height and width. Received: images.shape="):
        layer.call(keras.Input((None, None, 3)))
    assert layer.compute_output_shape((3, 16, 16, 1)) == (3, 20, 20, 1)


def test_config_round_trip():
    layer = CenterCrop(20, proportion=0.5, interpolation="bicubic")
    again = CenterCrop.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": 0, "resize": 8}, "size=0"),
        ({"size": 8}, "resize=None, proportion=None"),
        ({"size": 8, "resize": 9, "proportion": 0.5}, "resize=9, proportion=0.5"),
        ({"size": 8, "resize": 7}, "resize=7"),
        ({"size": 8, "proportion": 1.5}, "proportion=1.5"),
        ({"size": 8, "resize": 9, "interpolation": "nearest"}, "interpolation='nearest'"),
    ],
)
def test_rejects_unknown_values(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        CenterCrop(**arguments)
