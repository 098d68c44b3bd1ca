"""Probes by layer, and the spread of singular values."""

import keras
import numpy as np
import pytest

from keras_ssl.evaluation import layerwise_probe, linear_probe, singular_value_spread

RNG = np.random.default_rng(0)


def linear_network():
    """Each layer scales the directions by diag(1, .5, .25): deeper layers weight them more unequally."""
    model = keras.Sequential([keras.layers.Input((3,))])
    rotation = np.eye(3)
    for number in range(3):
        layer = keras.layers.Dense(3, use_bias=False, name=f"layer{number}")
        model.add(layer)
        new = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
        layer.set_weights([rotation.T @ np.diag([1.0, 0.5, 0.25]) @ new])
        rotation = new
    return model


def test_spread_grows_with_depth_in_a_linear_model():
    x = np.linalg.qr(RNG.normal(size=(20, 4)))[0]
    x = np.linalg.qr(x - x.mean(axis=0))[0][:, :3].astype("float32")  # white: all singular values are 1
    y = (x[:, 0] > 0).astype(int)
    found = layerwise_probe(linear_network(), x, y, x, y, batch_size=7)
    assert list(found) == ["layer0", "layer1", "layer2"]
    np.testing.assert_allclose([probe.spread for probe in found.values()], [4, 16, 64], rtol=1e-3)


def test_accuracies_are_those_of_probes_on_each_layer_with_maps_averaged():
    inner = keras.Sequential([keras.layers.Input((3, 3, 4)), keras.layers.Dense(5, activation="relu", name="deep")])
    model = keras.Sequential(
        [
            keras.layers.Input((3, 3, 2)),
            keras.layers.Dense(4, activation="relu", name="first"),
            inner,
            keras.layers.Flatten(name="flat"),
        ]
    )
    x, y = RNG.normal(size=(40, 3, 3, 2)).astype("float32"), np.arange(40) % 2
    x[..., 0] += y[:, None, None]
    found = layerwise_probe(model, x[:30], y[:30], x[30:], y[30:], layers=["deep", "flat", "first"], batch_size=16)
    assert list(found) == ["first", "deep", "flat"]
    w, b = model.get_layer("first").get_weights()
    first = np.maximum(x @ w + b, 0).mean(axis=(1, 2))
    assert found["first"].accuracy == linear_probe(first[:30], y[:30], first[30:], y[30:])
    assert found["first"].spread == pytest.approx(singular_value_spread(first[30:]), rel=1e-3)
    flat = model.predict(x, verbose=0)
    assert found["flat"].accuracy == linear_probe(flat[:30], y[:30], flat[30:], y[30:])


def test_spread():
    x = RNG.normal(size=(9, 4)) + 5
    values = np.sqrt(np.linalg.eigvalsh(np.cov(x.T)))
    assert singular_value_spread(x) == pytest.approx(values[-1] / values[0])
    assert singular_value_spread(np.outer(np.arange(4.0), [1, 2])) == np.inf
    assert np.isnan(singular_value_spread(np.ones((3, 2))))
    assert singular_value_spread(np.eye(3)) == pytest.approx(1.0)  # of two directions, all there are


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["none"]}, r"Received: layers=\['none'\]"),
        ({"layers": []}, r"Received: layers=\[\]"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"regularization": 0.0}, "Received: regularization=0.0"),
    ],
)
def test_refuses(options, message):
    x = np.eye(3, dtype="float32")
    with pytest.raises(ValueError, match=message):
        layerwise_probe(linear_network(), x, [0, 1, 1], x, [0, 1, 1], **options)


def test_refuses_features():
    with pytest.raises(ValueError, match=r"Received: features.shape=\(1, 2\)"):
        singular_value_spread(np.ones((1, 2)))
