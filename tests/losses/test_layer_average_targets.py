"""The targets of data2vec 2.0: a slow reference, what does not change them."""

import keras
import numpy as np
import pytest

from keras_ssl.losses.layer_average_targets import layer_average_targets
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def slow(layers, epsilon=1e-5):
    """Channel by channel and token by token, in float64."""
    count, tokens, width = layers[0].shape
    mean = np.zeros((count, tokens, width))
    for layer in layers:
        for n in range(count):
            for d in range(width):
                column = layer[n, :, d].astype("float64")
                mean[n, :, d] += (column - column.mean()) / np.sqrt(column.var() + epsilon) / len(layers)
    for n in range(count):
        for t in range(tokens):
            mean[n, t] = (mean[n, t] - mean[n, t].mean()) / np.sqrt(mean[n, t].var() + epsilon)
    return mean


@pytest.mark.parametrize("count", [1, 3])
def test_equals_the_reference(count):
    layers = [3 * draws(2, 5, 7, seed=seed) + seed for seed in range(count)]
    np.testing.assert_allclose(numbers(layer_average_targets(layers)), slow(layers), rtol=1e-4, atol=1e-5)


def test_scale_and_shift_of_channels_and_the_order_of_layers_change_nothing():
    layers = [draws(2, 5, 7, seed=seed) for seed in range(3)]
    scale, shift = np.exp(draws(7, seed=5)), draws(7, seed=6)
    changed = [layers[2] * scale + shift, layers[0], layers[1] * 10]
    found, other = (numbers(layer_average_targets(each)) for each in (layers, changed))
    np.testing.assert_allclose(found, other, atol=2e-3)


def test_tokens_have_mean_0_and_variance_1():
    found = numbers(layer_average_targets([draws(2, 5, 7)]))
    np.testing.assert_allclose(found.mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=-1), 1, rtol=1e-3)
    assert np.abs(numbers(layer_average_targets([np.ones((2, 5, 7))]))).max() == 0.0


@pytest.mark.parametrize("layers", [[], [np.ones((2, 3))]])
def test_refuses(layers):
    with pytest.raises(ValueError, match="Received: layers of shapes"):
        layer_average_targets(layers)
