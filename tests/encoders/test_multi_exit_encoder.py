"""Features after several blocks: each exit is the transformer that ends there, and what lies above does not matter."""

import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet, MultiExitEncoder, TabularTransformer, ViT
from keras_ssl.training.functional import value_and_gradients

IMAGES = np.random.RandomState(0).uniform(size=(3, 16, 16, 3)).astype("float32")


def vit(**options):
    arguments = {"patch_size": 4, "width": 16, "depth": 4, "heads": 2, "image_size": 16, **options}
    return ViT("Ti", **arguments)


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize(
    "options",
    [{}, {"pooling": "mean"}, {"pooling": "class_mean", "registers": 2, "layer_scale": 0.5, "mlp": "swiglu"}],
)
def test_every_exit_is_the_truncated_transformer(options):
    encoder = MultiExitEncoder(vit(**options), exits=(1, 3, 4))
    found = encoder(IMAGES)
    assert len(found) == 3
    for block, features in zip(encoder.exits, found, strict=True):
        small = encoder.truncated(block)
        assert sum(name.endswith("_qkv") for name in (layer.name for layer in small.layers)) == block
        np.testing.assert_allclose(numbers(features), numbers(small(IMAGES)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numbers(found[-1]), numbers(encoder.encoder(IMAGES)), rtol=1e-5, atol=1e-6)


def test_tables_have_exits_too():
    table = TabularTransformer({"a": {"mean": 0.0, "std": 1.0}, "b": {"categories": 3}}, 8, 2, 2)
    encoder = MultiExitEncoder(table)
    x = {"a": np.array([0.5, -1.0], "float32"), "b": np.array([0, 2], "int32")}
    first, last = encoder(x)
    np.testing.assert_allclose(numbers(first), numbers(encoder.truncated(1)(x)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numbers(last), numbers(table(x)), rtol=1e-5, atol=1e-6)


def test_what_lies_above_an_exit_has_no_gradient_from_it():
    encoder = MultiExitEncoder(vit())
    for place in range(4):
        _, gradients = value_and_gradients(
            lambda place=place: keras.ops.sum(encoder(IMAGES, training=True)[place] ** 2), encoder
        )
        for weight, gradient in zip(encoder.trainable_variables, gradients, strict=True):
            layer = weight.path.split("/")[-2]
            above = layer.startswith("block") and int(layer[5]) > place + 1
            moves = gradient is not None and np.any(numbers(gradient) != 0)
            assert not (above and moves), layer
            if layer.startswith("block") and layer.endswith("_mlp2") and not above:
                assert moves


def test_weights_are_those_of_the_transformer_and_the_file_round_trips(tmp_path):
    transformer = vit()
    encoder = MultiExitEncoder(transformer, exits=(2, 4))
    assert {id(w) for w in encoder.weights} == {id(w) for w in transformer.weights}
    assert len(encoder.weights) == len(transformer.weights)
    encoder(IMAGES)
    encoder.save(tmp_path / "exits.keras")
    again = keras.saving.load_model(tmp_path / "exits.keras")
    assert again.exits == (2, 4)
    for mine, theirs in zip(again(IMAGES), encoder(IMAGES), strict=True):
        np.testing.assert_allclose(numbers(mine), numbers(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("exits", [(), (1, 2), (2, 1, 4), (1, 1, 4), (0, 4), (1, 5)])
def test_refuses_exits_that_do_not_rise_to_the_depth(exits):
    with pytest.raises(ValueError, match="`exits` must .*Received: exits="):
        MultiExitEncoder(vit(), exits)


def test_refuses_other_encoders_and_exits():
    with pytest.raises(ValueError, match="TokenEncoder"):
        MultiExitEncoder(ConvNet((4, 8)))
    with pytest.raises(ValueError, match="pools its tokens"):
        MultiExitEncoder(vit(pooling=None))
    with pytest.raises(ValueError, match="Received: exit=3"):
        MultiExitEncoder(vit(), (2, 4)).truncated(3)
