"""A run on several devices or processes that takes little time: batch norm of the whole batch, views and a queue."""

import random
import signal
import sys
import time

import keras
import numpy as np

import keras_ssl
from keras_ssl.testing.run_steps import replica_scope
from tests.callbacks.tiny_run import Tiny, everything, vectors

EPOCHS, STEPS = 3, 4


def small():
    """The objective, always the same, compiled."""
    random.seed(0)
    encoder = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(6, name="hidden"),
            keras_ssl.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(3, name="out"),
        ]
    )
    model = Tiny(encoder)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), jit_compile=False)
    return model


def train(model, folder, epochs=EPOCHS, callbacks=(), keep=EPOCHS * STEPS, **options):
    checkpoint = keras_ssl.callbacks.Checkpoint(folder, every_steps=1, keep=keep, **options)
    return model.fit(vectors(8 * STEPS), batch_size=8, epochs=epochs, verbose=0, callbacks=[*callbacks, checkpoint])


def main(replicas, epochs, pause, out, *folders):
    """As a program, one of those that `worker_environments` sets up or the only one.

    A new model is trained for each of the folders, and what it ends with is written to `out`.
    """

    class SayStep(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            print(int(keras.ops.convert_to_numpy(self.model.step)), flush=True)

        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(float(pause))  # leaves time for a signal

    scope, process = replica_scope(int(replicas))
    with scope:
        states = {}
        for number, folder in enumerate(folders):
            model = small()
            history = train(model, folder, int(epochs), [SayStep()], signals=(signal.SIGTERM,)).history
            states |= {f"{number}/{name}": value for name, value in {**everything(model), **history}.items()}
        np.savez(f"{out}-{process}.npz", **states)


if __name__ == "__main__":
    main(*sys.argv[1:])
