"""What NEPA computes: a slow reference, what an output sees, what learns."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.test_next_embedding_loss import slow
from tests.objectives.reference import value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def causal_vit(**options):
    return keras_ssl.encoders.ViT(
        "Ti", 4, width=16, depth=2, heads=2, image_size=16, **{"pooling": "mean", "causal": True, **options}
    )


def test_the_loss_is_that_of_the_next_linear_embeddings():
    model = tiny_model("NEPA")
    z = embedded(model)
    kernel, bias = (numbers(weight) for weight in model.encoder.get_layer("patch_embedding").weights)
    images = model.make_views({"x": (IMAGES, IMAGES)}, Step.at(5))[0]
    patches = numbers(model.encoder.patches(images)) @ kernel.reshape(-1, 16) + bias
    np.testing.assert_allclose(numbers(z["embeddings"]), patches, atol=1e-4)
    wanted = slow(numbers(z["outputs"]), patches).mean()
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("encoder", [None, {}, {"class_token": False, "registers": 1}])
def test_an_output_sees_its_patch_and_those_before_it_and_no_later_one(encoder):
    model = tiny_model("NEPA") if encoder is None else keras_ssl.NEPA(causal_vit(**encoder), views=cheap_views())
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    changed = images.copy()
    changed[:, 4:8, 8:12] = 1 - changed[:, 4:8, 8:12]  # patch 6
    first, second = (numbers(embedded(model, each)["outputs"]) for each in (images, changed))
    differs = np.abs(first - second).max(axis=(0, 2)) > 1e-6
    assert differs.tolist() == [False] * 6 + [True] * 10


def test_of_a_causal_encoder_the_features_in_training_are_those_in_use():
    model = keras_ssl.NEPA(causal_vit(), views=cheap_views())
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    np.testing.assert_allclose(numbers(embedded(model, images)["features"]), numbers(model.encoder(images)), atol=1e-5)
    both = tiny_model("NEPA")
    both.preprocessing = None
    assert np.abs(numbers(embedded(both, images)["features"]) - numbers(both.encoder(images))).max() > 1e-4


def test_a_causal_encoder_has_the_weights_of_a_usual_one_and_says_so():
    encoder = causal_vit()
    assert encoder.get_config()["causal"] is True and causal_vit(causal=False).get_config()["causal"] is False
    again = keras_ssl.encoders.ViT.from_config(encoder.get_config())
    assert again.causal
    usual = causal_vit(causal=False)
    usual.set_weights(encoder.get_weights())
    images = IMAGES.astype("float32") / 255
    tokens = usual.tokens(images)
    np.testing.assert_allclose(
        numbers(usual.pool(usual.encode(tokens, causal=True))), numbers(encoder(images)), atol=1e-5
    )
    np.testing.assert_allclose(
        numbers(encoder.pool(encoder.encode(tokens, causal=False))), numbers(usual(images)), atol=1e-5
    )


def test_targets_get_no_gradient():
    """Scaling the embeddings as targets changes nothing, and the model hands them on without gradient."""
    model = tiny_model("NEPA")
    z = embedded(model)
    loss = value(engine.reduce(model, z, Step.at(5)).loss)
    z["embeddings"] = 3.0 * z["embeddings"]
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(loss, rel=1e-5)
    kernel = model.encoder.get_layer("patch_embedding").weights[0]

    def function():
        embeddings = embedded(model)["embeddings"]
        loss = keras.ops.mean(embeddings)
        return loss, loss

    values = [keras.ops.convert_to_tensor(kernel)]
    _, (gradient,) = model.backend.value_and_gradients(model, function, [kernel], at=values)
    assert gradient is None or np.abs(numbers(gradient)).max() == 0.0


def test_refuses():
    with pytest.raises(ValueError, match="must be a vision transformer for NEPA"):
        keras_ssl.NEPA(tiny_encoder())
    with pytest.raises(ValueError, match="two patches or more. Received: 1 x 1 patches"):
        embedded(tiny_model("NEPA"), IMAGES[:, :4, :4])
