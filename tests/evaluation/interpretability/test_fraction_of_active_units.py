"""The fraction of active units, and which activations it reads."""

import keras
import numpy as np
import pytest

from keras_ssl.encoders import ConvNet
from keras_ssl.evaluation import fraction_of_active_units, relu_activations

RNG = np.random.default_rng(0)


def network(biases):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(len(biases), activation="relu")])
    model.set_weights([np.zeros((3, len(biases))), np.array(biases)])
    return model


@pytest.mark.parametrize(("biases", "expected"), [([-1] * 4, 0.0), ([1] * 4, 1.0), ([-1, 1, -1, 1], 0.5)])
def test_by_the_signs_of_biases(biases, expected):
    assert fraction_of_active_units(relu_activations(network(biases), RNG.normal(size=(5, 3)))) == expected


def test_layers_count_by_their_units_and_channels_fire_at_any_place():
    maps = np.zeros((2, 3, 3, 4))
    maps[1, 2, 0, 1] = 0.5
    dense = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert fraction_of_active_units(maps) == 0.25
    assert fraction_of_active_units([maps, dense]) == pytest.approx(2 / 6)
    assert fraction_of_active_units(maps, threshold=0.5) == 0.0


def test_finds_relus_of_every_kind_in_nested_models_and_leaves_the_model_as_it_was():
    inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(5), keras.layers.ReLU()])
    model = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, activation="relu"), inner, keras.layers.Activation("relu")]
    )
    x = RNG.normal(size=(6, 3)).astype("float32")
    found = relu_activations(model, x)
    assert [layer.shape for layer in found] == [(6, 4), (6, 5), (6, 5)]
    np.testing.assert_allclose(found[-1], model(x), rtol=1e-6)
    np.testing.assert_allclose(found[0], np.maximum(x @ model.get_weights()[0] + model.get_weights()[1], 0), atol=1e-6)
    assert all("call" not in vars(layer) for layer in model._flatten_layers())
    assert (
        len(relu_activations(ConvNet(widths=(4, 8), input_shape=(16, 16, 3)), np.zeros((1, 16, 16, 3), "float32"))) >= 1
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fraction_of_active_units([]), "Received: activations"),
        (lambda: fraction_of_active_units(np.ones(3)), "Received: activations of shapes"),
        (lambda: fraction_of_active_units([[np.nan, 1.0]]), "Received: activations=nan"),
        (lambda: fraction_of_active_units([[1.0]], -1), "Received: threshold=-1"),
        (
            lambda: relu_activations(keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)]), np.eye(3)),
            "Received: model=",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
