"""What MAE computes: a slow reference, a closed form, limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.masked_pixel_loss import masked_pixel_loss, normalized_patches
from keras_ssl.testing.tiny_model import cheap_views, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value
from tests.references import masked_pixels as reference

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False  # the views are ready
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def test_loss_equals_the_reference():
    prediction, target = draws(5, 9, 12), draws(5, 9, 12, seed=1)
    hidden = (np.random.RandomState(2).rand(5, 9) < 0.6).astype("float32")
    hidden[3] = 0.0
    np.testing.assert_allclose(
        numbers(masked_pixel_loss(prediction, target, hidden)), reference.loss(prediction, target, hidden), rtol=1e-5
    )


def test_targets_equal_the_reference():
    model, images = tiny_model("MAE"), draws(2, 16, 24, 3)
    parts = numbers(model.encoder.patches(images))
    np.testing.assert_array_equal(parts, reference.patches(images, 4).astype("float32"))
    np.testing.assert_allclose(numbers(normalized_patches(parts)), reference.normalized(parts), atol=1e-4)


def test_the_model_s_loss_is_that_of_its_embeddings():
    model = tiny_model("MAE")
    z = embedded(model)
    terms = model.sample_terms(z, Step.at(6))
    expected = reference.loss(numbers(z["prediction"]), numbers(z["target"]), numbers(z["hidden"]))
    np.testing.assert_allclose(numbers(terms["reconstruction"].values), expected, rtol=1e-4)
    local = {name: keras.ops.convert_to_tensor(part) for name, part in z.items()}
    assert value(engine.reduce(model, local, Step.at(6)).loss) == pytest.approx(expected.mean(), rel=1e-5)


def test_patches_of_one_number_are_not_normalized():
    with pytest.raises(ValueError, match=r"`normalize_targets` must be False .* Received: patches.shape=\(3, 4, 1\)"):
        normalized_patches(draws(3, 4, 1))


def test_predicting_the_mean_of_normalized_patches_costs_almost_one():
    """Closed form: zero against mean 0 and unbiased variance 1 is (P - 1) / P."""
    target = normalized_patches(draws(3, 4, 48))
    loss = masked_pixel_loss(np.zeros((3, 4, 48), "float32"), target, np.ones((3, 4), "float32"))
    np.testing.assert_allclose(numbers(loss), 47 / 48, rtol=1e-4)


def test_exactly_the_share_of_patches_is_hidden_and_others_at_the_next_step():
    model = tiny_model("MAE", mask_ratio=0.6)
    first, again, later = (numbers(embedded(model, index=index)["hidden"]) for index in (0, 0, 1))
    assert (first.sum(axis=1) == 16 - int(16 * 0.4)).all()
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()


def test_hidden_pixels_do_not_change_the_encoding_nor_the_prediction():
    model = tiny_model("MAE")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z = {name: numbers(part) for name, part in embedded(model, images).items()}
    mask = z["hidden"].reshape(6, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None]
    other = {name: numbers(part) for name, part in embedded(model, images * (1 - mask) + 0.5 * mask).items()}
    np.testing.assert_allclose(z["features"], other["features"], atol=1e-6)
    np.testing.assert_allclose(z["prediction"], other["prediction"], atol=1e-6)
    visible = embedded(model, images * mask + 0.5 * (1 - mask))
    assert np.abs(numbers(visible["features"]) - z["features"]).max() > 1e-4


def test_without_a_mask_the_encoder_sees_everything():
    model = tiny_model("MAE", mask_ratio=0.0)
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    np.testing.assert_allclose(numbers(embedded(model, images)["features"]), numbers(model.encoder(images)), atol=1e-5)


def test_needs_tokens():
    with pytest.raises(ValueError, match="must be a TokenEncoder for MAE.*Received: ConvNet"):
        keras_ssl.MAE(keras_ssl.encoders.ConvNet((4,)))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mask_ratio": 1.0}, "ratio=1.0"), ({"decoder_depth": 0}, "decoder_depth=0"), ({"decoder_width": 2}, "width=2")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        tiny_model("MAE", **options)


def test_masks_that_hide_everything_are_refused():
    model = keras_ssl.MAE(tiny_vit(), 0.99, 16, 1, 2, views=cheap_views())
    with pytest.raises(ValueError, match="at least one of the 16 tokens"):
        embedded(model)


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="must be square. Received: 4 x 2 patches"):
        embedded(tiny_model("MAE"), IMAGES[:, :, :8])
