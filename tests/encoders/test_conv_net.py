import json

import keras
import numpy as np
import pytest

from keras_ssl.encoders.conv_net import ConvNet
from keras_ssl.testing.check_encoder import check_encoder


def reference(x, weights, blocks):
    """The network in NumPy at inference: shifted products, maxima of 2x2 windows, mean over positions."""
    for block in range(1, blocks + 1):
        if block > 1:
            n, h, w, c = x.shape
            x = np.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)), constant_values=-np.inf)
            x = x.reshape(n, (h + 1) // 2, 2, (w + 1) // 2, 2, c).max((2, 4))
        kernel = weights[f"block{block}_conv/kernel"]
        h, w = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = sum(padded[:, i : i + h, j : j + w] @ kernel[i, j] for i in range(3) for j in range(3))
        mean, variance, gamma, beta = (
            weights[f"block{block}_bn/{name}"] for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        x = np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0.0)
    return x.mean((1, 2))


@pytest.mark.parametrize("size", [(8, 8), (9, 5), (1, 1)])
def test_features_equal_numpy(size):
    model = ConvNet((4, 8, 6))
    rng = np.random.default_rng(0)
    weights = {}
    for weight in model.weights:
        weights[weight.path] = rng.uniform(0.3, 1.0, weight.shape) * np.where(len(weight.shape) == 4, 0.3, 1)
        weight.assign(weights[weight.path])
    x = rng.normal(size=(3, *size, 3)).astype("float32")
    actual = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(actual, reference(x.astype("float64"), weights, 3), rtol=1e-4, atol=1e-5)


def test_shapes_and_size():
    model = ConvNet()
    assert model.input_shape == (None, None, None, 3) and model.output_shape == (None, 128)
    assert model.count_params() == 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128) + 4 * (16 + 32 + 64 + 128)
    feature_map = ConvNet((4, 8), input_shape=(16, 12, 1), pooling=None)
    assert feature_map.output_shape == (None, 8, 6, 8)


def test_layer_names_are_a_public_format():
    names = [layer.name for layer in ConvNet((4, 8)).layers if layer.weights]
    assert names == ["block1_conv", "block1_bn", "block2_conv", "block2_bn"]


def test_config_round_trip():
    model = ConvNet((4, 8), (16, 16, 1), None, "mine")
    config = json.loads(json.dumps(model.get_config()))
    assert config == {"widths": [4, 8], "input_shape": [16, 16, 1], "pooling": None, "name": "mine"}
    again = ConvNet.from_config(config)
    assert again.get_config() == model.get_config()
    assert ConvNet((4,)).name == "conv_net"


@pytest.mark.slow
@pytest.mark.parametrize("input_shape", [(None, None, 3), (8, 8, 2)])
def test_conforms(input_shape):
    check_encoder(ConvNet((4, 8), input_shape=input_shape), tuple(n or 8 for n in input_shape), stable_names=True)


@pytest.mark.slow
def test_learns_in_fit():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 64)
    x = rng.normal(size=(64, 8, 8, 3)).astype("float32")
    x[y == 1, 2:6, 3:5] += 2.0
    model = keras.Sequential([ConvNet((4, 8)), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=["accuracy"])
    history = model.fit(x, y, batch_size=32, epochs=12, shuffle=False, verbose=0).history
    assert history["accuracy"][-1] > 0.9 and history["loss"][-1] < 0.5 * history["loss"][0]


@pytest.mark.parametrize(
    "bad",
    [{"widths": ()}, {"widths": (8, 0)}, {"widths": (8, 1.5)}, {"input_shape": (8, 8)}, {"pooling": "max"}],
)
def test_rejects_unknown_values(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError) as error:
        ConvNet(**bad)
    assert str(error.value).startswith(f"`{name}`")
    assert str(error.value).endswith(f"Received: {name}={value}")
