"""The pictures of views and features, where a whole run would not tell."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import pictures

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


class Recorder:
    """Stands for the writer: keeps what it is given."""

    def __init__(self):
        self.values = {}

    def image(self, tag, image, step, description=""):
        self.values[tag] = image

    def histogram(self, tag, edges, heights, step, description=""):
        self.values[tag] = heights


def model(views=None, **options):
    encoder = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(6)])
    views = keras_ssl.views.MultiView([keras_ssl.views.Identity()] * 2) if views is None else views
    return keras_ssl.SimCLR(encoder, projector=(4,), views=views, **options)


def drawn(kernel, bias, folder):
    writer, subject = Recorder(), model()
    subject.encoder.layers[-1].set_weights([np.full((192, 6), kernel), np.full(6, bias)])
    pictures.draw_similarities(writer, subject, IMAGES, 0, 12)
    pictures.draw_features(writer, folder, subject, IMAGES, None, 0, 12)
    return writer.values


def test_collapsed_features(tmp_path):
    """All pairs are alike, and no singular value is left."""
    values = drawn(0.0, 1.0, tmp_path)
    assert values["similarity/positive_pairs"][-1] == values["similarity/negative_pairs"][-1] == 1.0
    assert values["spectrum/log10_singular_values"].tolist() == [0.0] * 6


def test_one_dimension(tmp_path):
    assert drawn(1.0, 0.0, tmp_path)["spectrum/log10_singular_values"].tolist() == [6.0] + [0.0] * 5


def test_broken_features_are_left_out(tmp_path):
    assert drawn(0.0, np.nan, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_the_spectrum_has_no_more_values_than_centered_samples_allow():
    features = np.random.default_rng(0).normal(size=(4, 10))
    heights = pictures.spectrum_heights(features)
    expected = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)[:3]
    np.testing.assert_allclose(heights, 6 + np.log10(expected / expected[0]), atol=1e-6)


@pytest.mark.slow
def test_multi_crop_shows_every_view():
    writer = Recorder()
    views = keras_ssl.views
    crops = views.MultiCrop([views.Identity()] * 2, [views.RandomResizedCrop(4)] * 2)
    pictures.draw_views(writer, model(crops), IMAGES[:2], 0)
    assert writer.values["views"].shape == (4 + 2 * 68, 4 + 5 * 68 + 12, 3)  # the sample, two views and two small ones


def test_inputs_that_no_preprocessing_made_are_stretched():
    view = np.array([-1.0, 0.0, 3.0], "float32")
    np.testing.assert_allclose(pictures.pixels(model(preprocessing=None), view), [0.0, 0.25, 1.0])
    np.testing.assert_allclose(pictures.pixels(model(preprocessing=None), view[1:2]), [0.0])


@pytest.mark.parametrize("images", [IMAGES, IMAGES / np.float32(255), IMAGES.astype("uint16") * 257])
def test_samples_and_unchanged_views_look_alike(images):
    """However the pixels are given."""
    writer = Recorder()
    pictures.draw_views(writer, model(), images[:2], 0)
    picture = writer.values["views"]
    np.testing.assert_array_equal(picture[4:68, 4:68:8][::8], IMAGES[0])
    np.testing.assert_array_equal(picture[:, 4:68], picture[:, 84:148])
    np.testing.assert_array_equal(picture[:, 4:68], picture[:, 152:216])
