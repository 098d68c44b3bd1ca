"""Outputs inside an encoder are those of a pass by hand."""

import keras
import numpy as np
import pytest

from keras_ssl.encoders.layer_outputs import layer_outputs
from keras_ssl.testing.tiny_model import tiny_vit
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def test_outputs_are_those_of_the_layers():
    encoder, images = tiny_vit(), draws(2, 16, 16, 3)
    first, second, last = (
        numbers(part) for part in layer_outputs(encoder, ["block1_add2", "block2_add2", "norm"])(images)
    )
    blocks = [numbers(part) for part in encoder.block_tokens(encoder.tokens(images))]
    np.testing.assert_allclose(first, blocks[0], atol=1e-5)
    np.testing.assert_allclose(second, blocks[1], atol=1e-5)
    np.testing.assert_allclose(last, numbers(encoder.encode(encoder.tokens(images))), atol=1e-5)


def test_block_tokens_of_kept_patches_end_where_encode_does():
    encoder, keep = tiny_vit(), np.array([[1, 5, 7], [0, 2, 15]], "int32")
    tokens = encoder.tokens(draws(2, 16, 16, 3))
    blocks = encoder.block_tokens(tokens, keep)
    assert [tuple(block.shape) for block in blocks] == [(2, 4, 16)] * 2
    norm = encoder.get_layer("norm")
    np.testing.assert_allclose(numbers(norm(blocks[-1])), numbers(encoder.encode(tokens, keep)), atol=1e-6)


@pytest.mark.parametrize("names", [[], ["block9_mlp2"]])
def test_refuses(names):
    with pytest.raises(ValueError, match="`names` must be names of layers"):
        layer_outputs(tiny_vit(), names)
