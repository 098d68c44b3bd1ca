"""A run that takes little time: an objective of vectors with dropout, batch norm, a queue and random views."""

import random

import keras
import numpy as np

import keras_ssl
from keras_ssl.callbacks.training_state import host_copy, state_variables
from keras_ssl.layers import FeatureQueue

STEPS, EPOCHS = 4, 3


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Tiny(keras_ssl.SSLModel):
    """Two noisy views of a vector shall be alike and unlike those in a queue."""

    def __init__(self, encoder, queue_size=16, **kwargs):
        super().__init__(encoder, **kwargs)
        self.queue = FeatureQueue(queue_size, 3, name="queue")

    def default_views(self):
        return _noise

    def embed(self, batch, step):
        first, second = self.make_views(batch, step)
        return {"z1": self.encoder(first, training=step.training), "z2": self.encoder(second, training=step.training)}

    def objective(self, embeddings, step):
        z1, z2 = embeddings["z1"], embeddings["z2"]
        far = keras.ops.mean(keras.ops.square(keras.ops.matmul(z1, keras.ops.transpose(self.queue.contents))))
        near = keras.ops.mean(keras.ops.square(z1 - z2))
        return near + far, {"near": near}

    def after_step(self, embeddings, updated, step):
        self.queue.enqueue(embeddings["z2"], updated)

    def get_config(self):
        return {**super().get_config(), "queue_size": self.queue.size}


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
def _noise(x, stream):
    """Views that depend on the step and the sample; drawing from the stream takes most of an eager step's time."""
    place = keras.ops.cast(stream.key[1] * 97 + stream.positions, "float32")
    return [x + 0.1 * keras.ops.sin(place * rate)[:, None] for rate in (1.0, 3.0)]


def vectors(count=8 * STEPS):
    return np.random.RandomState(0).rand(count, 4).astype("float32")


def tiny(queue_size=16, learning_rate=0.01, run_eagerly=True, **options):
    """The objective, always the same, compiled; eager, as tracing is what takes time."""
    random.seed(0)
    encoder = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(6, activation="relu", name="hidden"),
            keras.layers.Dropout(0.3, seed=5),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(3, name="out"),
        ]
    )
    model = Tiny(encoder, queue_size=queue_size)
    model.compile(keras.optimizers.Adam(learning_rate), run_eagerly=run_eagerly, jit_compile=False, **options)
    return model


class StopAt(keras.callbacks.Callback):
    """Ends the run as a crash would, after a number of its steps."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def train(model, folder=None, stop=None, epochs=EPOCHS, callbacks=(), data=None, **options):
    """Trains, with checkpoints after every step where there is a folder; the history, or None after a crash."""
    callbacks = list(callbacks)
    if folder is not None:
        callbacks.append(keras_ssl.callbacks.Checkpoint(folder, **{"every_steps": 1, **options}))
    if stop is not None:
        callbacks.append(StopAt(stop))
    arguments = {"x": vectors(), "batch_size": 8} if data is None else {"x": data}
    try:
        return model.fit(**arguments, epochs=epochs, verbose=0, callbacks=callbacks).history
    except KeyboardInterrupt:
        return None


def everything(model):
    """All that a run's next step depends on, but the means of an epoch that is over."""
    return {name: a for name, a in host_copy(state_variables(model)).items() if not name.startswith("scalars/")}


def assert_equal_state(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def main(folder, epochs, out, begun):
    """As a program that may be killed at any time: says to `begun` where it begins, and writes what it ends with."""

    class SayStep(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            begun.send(int(self.model.step))

    model = tiny()
    train(model, folder, epochs=epochs, callbacks=[SayStep()])
    np.savez(out, **everything(model))
