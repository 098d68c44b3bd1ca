import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import view_features
from keras_ssl.random import Stream


def shades(unit, stream):
    """Two views in random brightness and a smaller one; quick to compile, unlike crops."""
    first, second = (unit * stream.uniform(shape=(1, 1, 1)) for _ in range(2))
    return [first, second, unit[:, ::2, ::2]]


def model(seed=0):
    encoder = keras_ssl.encoders.ConvNet(widths=(4, 8))
    return keras_ssl.SimCLR(encoder, projector=(8, 4), views=shades, seed=seed)


def images(count=7):
    return np.random.default_rng(0).integers(0, 256, (count, 10, 10, 3)).astype("uint8")


def test_features_are_those_of_the_pipelines_views():
    objective = model()
    features, groups = view_features(objective, images(), views=3, batch_size=4, seed=5)
    assert features.shape == (21, 8) and features.dtype == np.float32
    np.testing.assert_array_equal(groups, np.tile(np.arange(7), 3))
    unit = keras.ops.convert_to_tensor(images() / np.float32(255))
    expected = []
    for step in (0, 1):
        for view in shades(unit, Stream(5, step, keras.ops.arange(7, dtype="int32")))[:2]:
            expected.append(objective.encoder.predict(objective.preprocessing.normalize(view), verbose=0))
    np.testing.assert_allclose(features, np.concatenate(expected[:3]), rtol=1e-3, atol=1e-4)


def test_models_of_one_pipeline_see_the_same_views_and_stay_as_they_are():
    first, other = model(seed=1), model(seed=2)
    other.set_weights(first.get_weights())
    before = first.get_weights()
    features, _ = view_features(first, images(), views=2)
    np.testing.assert_allclose(features, view_features(other, images(), views=2)[0], rtol=1e-4, atol=1e-5)
    assert np.abs(features - view_features(first, images(), views=2, seed=3)[0]).max() > 1e-3
    for weight, old in zip(first.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert len(first.layers) == len(model().layers)


def test_ready_pipelines_of_the_library_do_too():
    pipeline = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip()] * 2)
    objective = keras_ssl.SimCLR(keras_ssl.encoders.ConvNet(widths=(4, 8)), projector=(8, 4), views=pipeline)
    features, _ = view_features(objective, images(1), views=8)
    plain = objective.predict(np.concatenate([images(1), images(1)[:, :, ::-1]]), verbose=0)
    flipped = np.isclose(features, plain[1], rtol=1e-3, atol=1e-4).all(axis=1)
    assert np.isclose(features[~flipped], plain[0], rtol=1e-3, atol=1e-4).all() and 0 < flipped.sum() < 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "simclr"}, "Received: model='simclr'"),
        ({"views": 0}, "Received: views=0"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"images": np.zeros((0, 8, 8, 3))}, r"Received: images.shape=\(0, 8, 8, 3\)"),
        ({"images": np.full((2, 8, 8, 3), np.nan)}, "in sample 0"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        view_features(**{"model": model(), "images": images()} | change)
