"""A run on several devices or processes that takes little time: batch norm of the whole batch, views and a queue."""

import random
import shutil
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np

import keras_ssl
from keras_ssl.data.from_arrays import ArrayBatches
from keras_ssl.testing.run_steps import replica_scope
from tests.callbacks.tiny_run import Tiny, everything, vectors

EPOCHS, STEPS, BATCH = 3, 4, 8


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
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9))
    return model


def train(model, folder, epochs=EPOCHS, callbacks=(), keep=EPOCHS * STEPS, **options):
    x = vectors(BATCH * STEPS)
    callbacks = [
        *callbacks,
        keras_ssl.callbacks.OnlineRankMe(x, every=1),
        keras_ssl.callbacks.TensorBoard(f"{folder}-board"),
        keras_ssl.callbacks.Checkpoint(folder, every_steps=1, keep=keep, **options),
    ]
    held_out = vectors(BATCH + BATCH // 2)  # its last batch is not full
    history = model.fit(x, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=callbacks, validation_data=held_out)
    history.history["evaluated"] = model.evaluate(held_out, batch_size=BATCH, verbose=0)
    return history


def copy_step(source, step, target):
    name = f"step-{int(step):010}"
    shutil.copytree(Path(source, name), Path(target, name))


def main(replicas, epochs, pause, out, folder, late=None, step=None):
    """As a program, one of those that `worker_environments` sets up or the only one.

    It trains, with checkpoints in `folder`, and writes what it ends with, and how many rows it read of a batch; with
    `late`, so does a second model that goes on from the checkpoint of `step`, copied there.
    """

    class SayStep(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            print(int(keras.ops.convert_to_numpy(self.model.step)), flush=True)

        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(float(pause))  # leaves time for a signal

    load, rows = ArrayBatches.load, set()

    def noted(self, order, start):
        batch = load(self, order, start)
        rows.add(len(batch["x"]))
        return batch

    ArrayBatches.load = noted
    scope, process = replica_scope(int(replicas))
    with scope:
        states = {}
        for number, place in enumerate([folder, late] if late else [folder]):
            model = small()
            if number and process == 0:
                copy_step(folder, step, place)
            history = train(model, place, int(epochs), [SayStep()], signals=(signal.SIGTERM,)).history
            states |= {f"{number}/{name}": value for name, value in {**everything(model), **history}.items()}
        np.savez(f"{out}-{process}.npz", rows=sorted(rows), **states)


if __name__ == "__main__":
    main(*sys.argv[1:])
