"""The vision transformer of channel groups."""

import keras
import numpy as np
import pytest

from keras_ssl.encoders import ChannelGroupViT
from keras_ssl.encoders.group_tokens import group_patches, merged_patches
from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.hub.card_size import check_encoder_size
from keras_ssl.hub.signatures import default_arguments
from keras_ssl.testing import check_encoder

GROUPS = [[0, 3], [2], [1, 4]]
X = np.random.RandomState(0).rand(3, 8, 8, 5).astype("float32")
SMALL = {"patch_size": 4, "width": 8, "depth": 2, "heads": 2, "image_size": 8}


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def make(**options):
    return ChannelGroupViT(GROUPS, **{**SMALL, **options})


@pytest.mark.parametrize("options", [{}, {"pooling": "class_mean"}, {"pooling": "mean", "class_token": False}], ids=str)
def test_it_is_its_tokens_encoded_and_pooled(options):
    encoder = make(**options)
    tokens = encoder.tokens(X)
    assert isinstance(encoder, TokenEncoder) and encoder.grid(X.shape) == (3, 2, 2)
    assert tokens.shape == (3, encoder.prefix + 12, 8)
    np.testing.assert_allclose(numbers(encoder.pool(encoder.encode(tokens))), numbers(encoder(X)), atol=1e-5)


def test_tokens_are_patches_of_their_group_with_place_and_group():
    """By loops: a linear map of the group's own, a fixed position and the group's embedding."""
    encoder = make()
    layer, positions = encoder.get_layer("tokens"), sincos_positions(2, 8)[1:]
    found = numbers(encoder.tokens(X))
    for group, channels in enumerate(GROUPS):
        kernel, bias = (numbers(weight).astype("float64") for weight in layer.embeddings[group].weights)
        for place in range(4):
            row, column = 4 * (place // 2), 4 * (place % 2)
            for sample in range(3):
                pixels = [X[sample, row + i, column + j, c] for i in range(4) for j in range(4) for c in channels]
                expected = pixels @ kernel + bias + positions[place] + numbers(layer.group_embedding)[group]
                np.testing.assert_allclose(found[sample, 1 + 4 * group + place], expected, atol=1e-5)


def test_a_group_s_tokens_depend_on_its_channels_alone():
    encoder, other = make(), X.copy()
    other[..., 2] += 1.0
    moved = np.abs(numbers(encoder.tokens(other)) - numbers(encoder.tokens(X))).max(axis=(0, 2)) > 1e-6
    assert moved[5:9].all() and not moved[:5].any() and not moved[9:].any()


def test_patches_can_be_put_together_again():
    parts = group_patches(X, GROUPS, 4)
    assert [tuple(part.shape) for part in parts] == [(3, 4, 32), (3, 4, 16), (3, 4, 32)]
    np.testing.assert_array_equal(numbers(merged_patches(parts, GROUPS, 4, (2, 2))), X)


@pytest.mark.slow
def test_it_is_an_encoder():
    check_encoder(make, (8, 8, 5), stable_names=True)


@pytest.mark.parametrize(
    "options", [{}, {"pooling": "mean", "class_token": False}, {"variant": "S", "width": None, "heads": 2}], ids=str
)
def test_the_number_of_weights_is_told_without_building(options):
    weights = make(**options).count_params()
    full = {**default_arguments(ChannelGroupViT), **SMALL, "channel_groups": GROUPS, **options}
    check_encoder_size("ChannelGroupViT", full, 2 * weights)
    with pytest.raises(ValueError, match=f"an encoder of {weights:,} weights .* at most {weights - 1:,}"):
        check_encoder_size("ChannelGroupViT", full, 2 * weights - 1)


@pytest.mark.parametrize("groups", [[], [[]], [[0, 2]], [[0], [0, 1]], "01", [0, 1], [[0.0]], [[True, 0]]], ids=str)
def test_refuses_groups(groups):
    with pytest.raises(ValueError, match="each channel from 0 on in exactly one. Received: channel_groups="):
        ChannelGroupViT(groups, **SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "Q"}, "variant='Q'"),
        ({"heads": 3}, "heads=3"),
        ({"width": 6}, "width=6"),
        ({"image_size": 10}, "image_size=10"),
        ({"pooling": None}, "pooling=None"),
        ({"class_token": False}, "pooling='class', class_token=False"),
        ({"mlp_ratio": 0.0}, "mlp_ratio=0.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        make(**options)
