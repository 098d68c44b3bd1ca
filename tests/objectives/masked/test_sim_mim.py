"""What SimMIM computes: a slow reference, what it sees."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def test_the_loss_is_the_mean_absolute_error_of_hidden_pixels():
    model = tiny_model("SimMIM", mask_ratio=0.5)
    z = embedded(model)
    p, t, h = (numbers(z[name]) for name in ("prediction", "target", "hidden"))
    assert (h.sum(axis=1) == 8).all()  # two of four squares of 2 x 2 patches
    total = [abs(p[i, k, c] - t[i, k, c]) for i in range(5) for k in range(16) if h[i, k] for c in range(48)]
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(np.mean(total), rel=1e-5)


def test_hidden_pixels_do_not_change_the_prediction():
    model = tiny_model("SimMIM")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z = embedded(model, images)
    mask = numbers(z["hidden"]).reshape(5, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None].astype("float32")
    other = embedded(model, images * (1 - mask) + 0.5 * mask)
    np.testing.assert_allclose(numbers(z["prediction"]), numbers(other["prediction"]), atol=1e-5)
    assert np.abs(numbers(embedded(model, 1 - images)["prediction"]) - numbers(z["prediction"])).max() > 1e-3


def test_without_a_mask_the_encoder_sees_everything():
    model = tiny_model("SimMIM", mask_ratio=0.0)
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    np.testing.assert_allclose(numbers(embedded(model, images)["features"]), numbers(model.encoder(images)), atol=1e-5)


@pytest.mark.parametrize(("options", "message"), [({"mask_ratio": 1.0}, "ratio=1.0"), ({"unit": 0}, "unit=0")])
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.SimMIM(tiny_vit(), **options)


def tiny_swin(**options):
    sizes = {"width": 8, "depths": (1, 2, 1, 1), "heads": (1, 1, 2, 2), "window": 2, "patch_size": 1}
    return keras_ssl.encoders.Swin(**sizes | options)


def test_a_swin_hides_whole_places_of_its_last_map():
    encoder = tiny_swin()
    model = keras_ssl.SimMIM(encoder, unit=1, preprocessing=None)
    images = np.random.RandomState(1).rand(5, 16, 32, 3).astype("float32")
    z = embedded(model, images)
    hidden = numbers(z["hidden"])
    assert hidden.shape == (5, 8) and (hidden.sum(axis=1) == 5).all()
    assert z["prediction"].shape == z["target"].shape == (5, 8, 8 * 8 * 3)
    np.testing.assert_array_equal(numbers(z["target"])[3, 5], images[3, 8:, 8:16].ravel().astype("float64"))
    mask = hidden.reshape(5, 2, 4).repeat(8, axis=1).repeat(8, axis=2)[..., None].astype("float32")
    other = embedded(model, images * (1 - mask) + 0.5 * mask)  # what is hidden is not seen
    np.testing.assert_allclose(numbers(z["prediction"]), numbers(other["prediction"]), atol=1e-5)
    assert np.abs(numbers(embedded(model, 1 - images)["prediction"]) - numbers(z["prediction"])).max() > 1e-3
    bare = keras_ssl.SimMIM(encoder, mask_ratio=0.0, unit=1, preprocessing=None)
    np.testing.assert_allclose(numbers(embedded(bare, images)["features"]), numbers(encoder(images)), atol=1e-5)


@pytest.mark.slow
def test_a_swin_trains_with_its_mask_token():
    model = keras_ssl.SimMIM(tiny_swin(drop_path=0.1), unit=1, seed=0)
    token = numbers(model.mask_token)
    assert token.shape == (8,) and model.default_views().views[0].views[0].size == (16, 16)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(IMAGES, batch_size=5, epochs=12, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0] and np.abs(numbers(model.mask_token) - token).max() > 1e-3


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for SimMIM, such as .*ViT or Swin. Received"):
        keras_ssl.SimMIM(tiny_encoder())
    with pytest.raises(ValueError, match="must be a vision transformer for MaskedTokenOptimization.* Received: Swin"):
        keras_ssl.MaskedTokenOptimization(tiny_swin())
