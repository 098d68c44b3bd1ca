"""Values that are taken as they are, such as those of satellites' bands, on their way into an encoder and a card."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.hub import preprocessing
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.layers.pixel_scale import ANY_VALUE, check_value_range, from_unit_range, to_unit_range
from tests.hub.entries import export_quietly, randomise

MEAN, STD = [-12.59, -20.26], [5.26, 5.91]


def bands(dtype="float32", low=-60.0, high=20.0):
    return np.random.default_rng(0).uniform(low, high, (3, 6, 6, 2)).astype(dtype)


def run(layer, images):
    return keras.ops.convert_to_numpy(layer(images))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_values_keep_their_units_and_none_is_outside(dtype):
    images = bands(dtype, -300, 300)
    expected = (images.astype("float64") - MEAN) / STD
    np.testing.assert_allclose(run(ImagePreprocessing(MEAN, STD, ANY_VALUE), images), expected, rtol=1e-4, atol=1e-4)


def test_sixteen_bits_are_not_scaled_by_their_type():
    images = np.array([[[[0, 10_000]]], [[[20_000, 65_535]]]], "uint16")
    layer = ImagePreprocessing(0.0, 10_000.0, ANY_VALUE, clip=(0.0, 1.0))
    np.testing.assert_allclose(run(layer, images)[:, 0, 0], [[0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize("clip", [(0.0, 1.0), (-1.0, 2.0)])
def test_clipping_is_that_of_numpy_and_survives_the_config(clip):
    layer = ImagePreprocessing(MEAN, STD, ANY_VALUE, clip)
    again = ImagePreprocessing.from_config(layer.get_config())
    expected = np.clip((bands() - MEAN) / STD, *clip)
    np.testing.assert_allclose(run(again, bands()), expected, rtol=1e-4, atol=1e-4)
    assert (again.clip, again.value_range) == (clip, ANY_VALUE)


def test_the_scale_of_any_value_is_the_identity_both_ways():
    images = bands()
    np.testing.assert_array_equal(run(lambda x: to_unit_range(x, ANY_VALUE), images), images)
    np.testing.assert_array_equal(run(lambda x: from_unit_range(x, "uint8", ANY_VALUE), images), images)


@pytest.mark.parametrize("wrong", [ANY_VALUE, (0.0, float("inf")), (float("inf"), float("-inf"))])
def test_views_and_crops_of_pixels_take_no_such_range(wrong):
    with pytest.raises(ValueError, match="two finite numbers.*Received: value_range="):
        check_value_range(wrong)
    if wrong != ANY_VALUE:
        with pytest.raises(ValueError, match="two finite numbers.*Received: value_range="):
            ImagePreprocessing(value_range=wrong)
    with pytest.raises(ValueError, match="`clip` must be None or two finite.*Received: clip="):
        ImagePreprocessing(clip=wrong)


def test_in_training_a_finite_range_puts_it_on_the_scale_of_views():
    encoder = ConvNet(widths=(4,), input_shape=(None, None, 2))
    layer = ImagePreprocessing(MEAN, STD, ANY_VALUE, clip=(-3.0, 3.0))
    views = keras_ssl.views.simclr(color=False)
    with pytest.raises(ValueError, match="`value_range` must say the lowest.*Received: value_range=None"):
        keras_ssl.SimCLR(encoder, preprocessing=layer, views=views)
    model = keras_ssl.SimCLR(encoder, preprocessing=layer, views=views, value_range=(-60.0, 20.0))
    np.testing.assert_allclose(run(model.preprocessing, bands()), run(layer, bands()), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(run(model, bands()), run(encoder, run(layer, bands())), rtol=1e-4, atol=1e-4)


def test_an_entry_keeps_it(tmp_path):
    encoder = randomise(ConvNet(widths=(4, 8), input_shape=(None, None, 2)))
    layer = ImagePreprocessing(MEAN, STD, ANY_VALUE, clip=(0.0, 1.0))
    export_quietly(encoder, tmp_path / "sar", preprocessing=layer, data="noise")
    card = hub.Card.read(tmp_path / "sar" / "card.toml")
    assert card.preprocessing["scale"] == list(ANY_VALUE) and card.preprocessing["clip"] == [0.0, 1.0]
    model = hub.load(tmp_path / "sar")
    np.testing.assert_allclose(run(model, bands()), run(encoder, run(layer, bands())), rtol=1e-4, atol=1e-4)
    assert np.isfinite(model.predict(bands("int16"), verbose=0)).all()
    assert "values as they are, clipped to [0.0, 1.0]" in hub.card_text.card_text(card)
    made = preprocessing(tmp_path / "sar")
    np.testing.assert_array_equal(run(made, bands()), run(layer, bands()))
    assert all(finding.state == "ok" for finding in hub.verify(tmp_path / "sar"))


def test_a_crop_of_any_value_neither_scales_nor_clips():
    crop = keras_ssl.views.CenterCrop(4, resize=6, value_range=ANY_VALUE)
    np.testing.assert_allclose(run(crop, bands()), bands()[:, 1:5, 1:5], rtol=1e-5)
