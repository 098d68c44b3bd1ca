import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders.feature_map import feature_map
from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.interop import from_keras_hub
from tests.interop.backbones import dinov2, dinov3, resnet

pytestmark = pytest.mark.interop
X = np.random.RandomState(0).rand(2, 16, 16, 3).astype("float32")


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_a_transformer_is_a_token_encoder():
    assert isinstance(from_keras_hub(dinov2()), TokenEncoder)


def test_a_map_is_averaged_and_its_places_are_known():
    backbone = resnet()
    encoder = from_keras_hub(backbone)
    expected = numbers(backbone(X))
    np.testing.assert_allclose(numbers(encoder(X)), expected.mean((1, 2)), atol=1e-5)
    places, _ = feature_map(encoder, "DenseCL")(X)
    np.testing.assert_allclose(numbers(places), expected.reshape(2, -1, 64), atol=1e-5)
    assert {id(variable) for variable in encoder.weights} == {id(variable) for variable in backbone.weights}


def test_rotary_tokens_are_pooled_and_masked_objectives_refuse_them():
    backbone = dinov3()
    expected = numbers(backbone({"pixel_values": X}))
    np.testing.assert_allclose(numbers(from_keras_hub(backbone)(X)), expected[:, 0], atol=1e-5)
    mean = expected[:, 5:].mean(1)  # after a class token and four registers
    np.testing.assert_allclose(numbers(from_keras_hub(backbone, "mean")(X)), mean, atol=1e-5)
    with pytest.raises(ValueError, match="must be a TokenEncoder"):
        keras_ssl.MAE(from_keras_hub(backbone))


def test_others_are_refused_by_name():
    words = pytest.importorskip("keras_hub").models.BertBackbone(
        vocabulary_size=8, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4
    )
    with pytest.raises(ValueError, match="with one input. Received: backbone=BertBackbone"):
        from_keras_hub(words)
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="must give maps of images .* Received: Functional"):
        from_keras_hub(keras.Model(inputs, keras.layers.Dense(2)(inputs)))
    with pytest.raises(ValueError, match="Received: pooling='class'"):
        from_keras_hub(resnet(), "class")
