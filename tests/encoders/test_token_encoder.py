import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, ViT
from keras_ssl.encoders.token_encoder import TokenEncoder, check_token_encoder

X = np.random.RandomState(0).rand(3, 16, 24, 3).astype("float32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "mean"},
        {"pooling": "class_mean", "registers": 2, "layer_scale": 0.3},
        {"class_token": False, "pooling": "mean", "position": "sincos"},
        {"mlp": "swiglu"},
        {"input_shape": (16, 24, 3), "drop_path": 0.2},
    ],
    ids=str,
)
def test_a_vit_is_its_tokens_encoded_and_pooled(options):
    encoder = ViT("Ti", patch_size=4, width=16, depth=2, heads=2, image_size=16, **options)
    tokens = encoder.tokens(X)
    assert isinstance(encoder, TokenEncoder) and tokens.shape[1] == encoder.prefix + 24
    np.testing.assert_allclose(numbers(encoder.pool(encoder.encode(tokens))), numbers(encoder(X)), atol=1e-5)


def test_kept_tokens_are_encoded_as_if_there_were_no_others():
    encoder = ViT("Ti", patch_size=4, width=16, depth=2, heads=2, image_size=16)
    tokens = encoder.tokens(X)
    keep = np.array([[0, 5, 9], [1, 2, 3], [20, 21, 23]], "int32")
    found = numbers(encoder.encode(tokens, keep))
    assert found.shape == (3, 4, 16)
    for row in range(3):
        alone = keras.ops.concatenate(
            [tokens[row : row + 1, :1], *(tokens[row : row + 1, 1 + k : 2 + k] for k in keep[row])], axis=1
        )
        np.testing.assert_allclose(found[row], numbers(encoder.encode(alone))[0], atol=1e-5)
    everything = np.tile(np.arange(24, dtype="int32"), (3, 1))
    np.testing.assert_allclose(numbers(encoder.encode(tokens, everything)), numbers(encoder.encode(tokens)), atol=1e-6)


def test_grid_and_patches():
    encoder = ViT("Ti", patch_size=4, width=16, depth=1, heads=2, image_size=16)
    assert encoder.grid((None, 16, 24, 3)) == (4, 6)
    np.testing.assert_array_equal(numbers(encoder.patches(X))[1, 7], X[1, 4:8, 4:8].reshape(-1))
    with pytest.raises(ValueError, match="must be known"):
        encoder.grid((None, None, 24, 3))


def test_others_are_refused_by_name():
    with pytest.raises(ValueError, match="for MAE, such as keras_ssl.encoders.ViT. Received: ConvNet"):
        check_token_encoder(ConvNet((4,)), "MAE")
