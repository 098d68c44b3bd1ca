import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.encoders.feature_map import feature_map
from keras_ssl.encoders.masked_tokens import check_mask_token_encoder, masked_tokens
from keras_ssl.testing.tiny_model import tiny_vit

IMAGES = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")


def numbers(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize(
    "make", [lambda: ConvNet((4, 8)), lambda: ResNet(18), lambda: ViT("Ti", 4, depth=1, image_size=16, pooling="mean")]
)
def test_features_are_the_encoder_s_and_the_mean_of_the_places(make):
    encoder = make()
    places, features = feature_map(encoder, "it")(IMAGES)
    np.testing.assert_allclose(numbers(features), numbers(encoder(IMAGES)), atol=1e-5)
    np.testing.assert_allclose(numbers(places).mean(axis=1), numbers(features), atol=1e-5)


def test_needs_a_map():
    flat = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    for encoder in (flat, keras.layers.Dense(3)):
        with pytest.raises(ValueError, match="for DenseCL, such as.*Received: "):
            feature_map(encoder, "DenseCL")


def test_a_mask_token_stands_in_the_place_of_hidden_patches_alone():
    encoder, token = tiny_vit(), np.full(16, 7.0, "float32")
    hidden = np.zeros((2, 16), "float32")
    hidden[0, [3, 5]] = 1
    plain, masked = numbers(encoder.tokens(IMAGES)), numbers(masked_tokens(encoder, IMAGES, hidden, token))
    prefix = encoder.prefix
    np.testing.assert_allclose(masked[1], plain[1], atol=1e-6)
    np.testing.assert_allclose(
        np.delete(masked[0], [prefix + 3, prefix + 5], axis=0),
        np.delete(plain[0], [prefix + 3, prefix + 5], axis=0),
        atol=1e-6,
    )
    patches = numbers(encoder.get_layer("patch_embedding")(IMAGES)).reshape(2, 16, 16)
    for place in (3, 5):  # the position stays
        np.testing.assert_allclose(
            masked[0, prefix + place] - plain[0, prefix + place], token - patches[0, place], atol=1e-5
        )


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for SimMIM.*Received: ConvNet"):
        check_mask_token_encoder(ConvNet((4,)), "SimMIM")
