import keras
import numpy as np
import pytest

from keras_ssl.evaluation import extract_features


def model(units=5):
    return keras.Sequential(
        [
            keras.layers.Input((4, 4, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
        ]
    )


@pytest.mark.parametrize("count", [1, 7, 8, 21])
def test_equals_one_call(count):
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    encoder = model()
    features = extract_features(encoder, images, batch_size=8)
    assert features.shape == (count, 5) and features.dtype == np.float32
    expected = keras.ops.convert_to_numpy(encoder(images, training=False))
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_only_one_batch_size_is_seen():
    shapes = []

    class Watcher(keras.layers.Layer):
        def call(self, x):
            shapes.append(x.shape[0])
            return x

    encoder = keras.Sequential([keras.layers.Input((3,)), Watcher()])
    encoder.compile(run_eagerly=True)
    shapes.clear()
    extract_features(encoder, np.ones((21, 3), "float32"), batch_size=8)
    assert set(shapes) == {8}


def test_half_precision_becomes_single():
    encoder = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, dtype="mixed_bfloat16")])
    assert extract_features(encoder, np.ones((3, 3), "float32"), batch_size=2).dtype == np.float32


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`images` must be a batch.*Received: images.shape=\(0, 4, 4, 3\)"):
        extract_features(model(), np.zeros((0, 4, 4, 3), "uint8"))
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        extract_features(model(), np.zeros((2, 4, 4, 3), "uint8"), batch_size=0)
    maps = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Rescaling(2.0)])
    with pytest.raises(ValueError, match=r"`model` must map images to features.*\(2, 4, 4, 3\)"):
        extract_features(maps, np.zeros((2, 4, 4, 3), "uint8"), batch_size=2)
