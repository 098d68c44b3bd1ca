"""What MaskFeat computes: a slow reference, what it sees, a limit."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.hog_targets import hog_targets
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_hog_targets import slow
from tests.objectives.reference import value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


@pytest.mark.parametrize("soft", [True, False])
def test_the_loss_is_the_squared_error_of_the_histograms_of_hidden_patches(soft):
    model = tiny_model("MaskFeat", cells=1, bins=7, soft=soft)
    z = embedded(model)
    images = numbers(model.make_views({"x": (IMAGES, IMAGES)}, Step.at(5))[0])
    wanted, p, h = slow(images, 4, 1, 7, soft, 1e-3), numbers(z["prediction"]), numbers(z["hidden"])
    assert (h.sum(axis=1) == 8).all()
    total = [(p[i, k, c] - wanted[i, k, c]) ** 2 for i in range(5) for k in range(16) if h[i, k] for c in range(21)]
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(np.mean(total), rel=1e-4)


def test_predicting_nothing_costs_the_mean_square_of_histograms_of_length_1():
    """Closed form: of the entries of a histogram of length 1 with 9 bins the mean square is 1 / 9."""
    model = tiny_model("MaskFeat")
    z = embedded(model)
    z["prediction"] = keras.ops.zeros_like(z["prediction"])
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(1 / 9, rel=1e-3)


def test_hidden_pixels_do_not_change_the_prediction():
    model = tiny_model("MaskFeat")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z = embedded(model, images)
    mask = numbers(z["hidden"]).reshape(5, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None].astype("float32")
    other = embedded(model, images * (1 - mask) + 0.5 * mask)
    np.testing.assert_allclose(numbers(z["prediction"]), numbers(other["prediction"]), atol=1e-5)
    assert np.abs(numbers(embedded(model, 1 - images)["prediction"]) - numbers(z["prediction"])).max() > 1e-3


def test_the_target_is_that_of_the_whole_image():
    model = tiny_model("MaskFeat")
    z = embedded(model)
    images = model.make_views({"x": (IMAGES, IMAGES)}, Step.at(5))[0]
    np.testing.assert_allclose(numbers(z["target"]), numbers(hog_targets(images, 4)), atol=1e-6)


def test_without_a_mask_the_encoder_sees_everything_and_nothing_is_predicted():
    model = tiny_model("MaskFeat", mask_ratio=0.0)
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z = embedded(model, images)
    np.testing.assert_allclose(numbers(z["features"]), numbers(model.encoder(images)), atol=1e-5)
    assert value(engine.reduce(model, z, Step.at(5)).loss) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": 1.0}, r"ratio=\(1.0, 1.0\)"),
        ({"mask_ratio": -0.1}, "mask_ratio=-0.1"),
        ({"mask_shape": "disk"}, "shape='disk'"),
        ({"cells": 3}, "cells=3"),
        ({"bins": 0}, "bins=0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.MaskFeat(tiny_vit(), **options)


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for MaskFeat"):
        keras_ssl.MaskFeat(tiny_encoder())
