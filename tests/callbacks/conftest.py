import sys
from types import ModuleType

import keras
import numpy as np
import pytest

if keras.backend.backend() == "jax":  # TensorBoard's own switch: its reader then does without TensorFlow
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))


class Autoencoder(keras.Model):
    """A model like the objectives of the library: `model(x)` is features, the loss is the model's own."""

    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.layers.Input((4, 4, 3)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Flatten(),
                keras.layers.Dense(8, kernel_initializer=keras.initializers.GlorotUniform(0)),
                keras.layers.BatchNormalization(),
            ]
        )
        self.decoder = keras.layers.Dense(48, kernel_initializer=keras.initializers.GlorotUniform(1))
        self.decoder.build((None, 8))
        self.traces = 0
        self.built = True

    def call(self, x, training=False):
        return self.encoder(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.traces += 1
        target = keras.ops.reshape(keras.ops.cast(x, "float32") / 255, (-1, 48))
        return keras.ops.mean(keras.ops.square(self.decoder(y_pred) - target))


@pytest.fixture
def make_model():
    """A function that makes a model ready to train, always the same; eager, as tracing is what takes time."""

    def make(run_eagerly=True, **kwargs):
        model = Autoencoder()
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=run_eagerly, **kwargs)
        return model

    return make


@pytest.fixture
def images():
    """60 images and labels of 3 classes that differ in color, sorted by class."""
    labels = np.arange(60) // 20
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 120, (60, 4, 4, 3)) + 120 * np.eye(3, dtype=int)[labels][:, np.newaxis, np.newaxis]
    return pixels.astype("uint8"), labels
