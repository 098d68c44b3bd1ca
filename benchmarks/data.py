"""Small files and TFRecord shards: what reading them yields alone, and beside a step: `python benchmarks/data.py`.

Writes 100,000 JPEG files of 32 pixels and 50 shards of them to a temporary folder, and takes them away again. `alone`
is the rate at which batches come when nothing else is done (read, decode, batch); `training` the rate at which a small
encoder trains on them, beside the same on arrays in memory: that rate is what the step needs. Reading and training
share the cores here; an accelerator would leave them all to reading. Rounds alternate, and medians are shown. The table
goes to benchmarks/results/data.md. About ten minutes on two idle cores.
"""

import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from _tables import markdown, publish
from absl import app, flags

import keras_ssl
from keras_ssl.data import colored_digits, from_arrays, from_folder, from_tfrecords, write_tfrecords

FILES = flags.DEFINE_integer("files", 100_000, "Small files.", lower_bound=1000)
SHARDS = flags.DEFINE_integer("shards", 50, "TFRecord shards.", lower_bound=1)
SIZE = flags.DEFINE_integer("size", 32, "Pixels, of the files and of the batches.", lower_bound=8)
BATCH = flags.DEFINE_integer("batch_size", 256, "Images of a batch.", lower_bound=2)
STEPS = flags.DEFINE_integer("steps", 60, "Batches of a round.", lower_bound=2)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each kind.", lower_bound=1)
FOLDER = flags.DEFINE_string(
    "folder", None, "Where the temporary folder is made. Default: where the system makes them."
)
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/data.md", "The table.")

FILES_IN_A_FOLDER = 1000


class Timer(keras.callbacks.Callback):
    """Ends the training after a number of steps; the time that they took, without the first one, which may compile."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.seconds, self.work = steps, 0.0, 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            self._start, self._begun = time.perf_counter(), time.process_time()
        if batch == self.steps:
            self.seconds = time.perf_counter() - self._start
            self.work = time.process_time() - self._begun
            self.model.stop_training = True


def write_files(folder: Path) -> np.ndarray:
    """Files of so many images, and a small set of them as arrays."""
    images = colored_digits("train", count=1000, size=SIZE.value)[0]
    encoded = [tf.io.encode_jpeg(image).numpy() for image in images]
    for number in range(FILES.value):
        inside = folder / f"{number // FILES_IN_A_FOLDER:05d}"
        if number % FILES_IN_A_FOLDER == 0:
            inside.mkdir(parents=True)
        (inside / f"{number:07d}.jpg").write_bytes(encoded[number % len(encoded)])
    return images


def alone(data: Any, first: int) -> tuple[float, float]:
    """Seconds and CPU seconds for the batches of a round, with nothing else to do."""
    data[first]  # starts the pipeline, or goes on with it
    start, begun = time.perf_counter(), time.process_time()
    for number in range(first + 1, first + 1 + STEPS.value):
        data[number]
    return time.perf_counter() - start, time.process_time() - begun


def training(model: Any, data: Any) -> tuple[float, float]:
    """The same for steps of training."""
    timer = Timer(STEPS.value)
    model.fit(data, verbose=0, callbacks=[timer])
    data.epoch += 1  # the epoch was not ended: another order, as a longer run would see
    return timer.seconds, timer.work


def main(_: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # or the files would stay
    with tempfile.TemporaryDirectory(dir=FOLDER.value, prefix="keras_ssl-data-") as name:
        rows = measured(Path(name))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    given = (flag for flag in (FILES, SHARDS, SIZE, BATCH, STEPS, ROUNDS) if flag.present)
    how = "".join(f" --{flag.name}={flag.value}" for flag in given)
    lines = [
        f"{FILES.value:,} JPEG files of {SIZE.value} pixels, and the same in {SHARDS.value} TFRecord shards, on "
        f"{cores} cores of {platform.machine()}, TensorFlow {tf.__version__}. Training: SimCLR, ConvNet, batches of "
        f"{BATCH.value}, on the same cores. Medians of {ROUNDS.value} rounds of {STEPS.value} batches; files were read "
        "before, so the disk's speed is left out.",
        "",
        markdown(rows[0], (list(row.values()) for row in rows)),
        f"Written by `python benchmarks/data.py{how}`.",
    ]
    publish(OUTPUT.value, "\n".join(lines) + "\n")


def measured(folder: Path) -> list[dict[str, str]]:
    images = write_files(folder / "files")
    write_tfrecords(folder / "files", folder / "shards", shards=SHARDS.value, labelled=False)
    options = {"size": SIZE.value, "batch_size": BATCH.value}
    repeats = -(-(STEPS.value + 2) * BATCH.value // len(images))
    openers = {
        "arrays in memory": lambda: from_arrays(np.tile(images, (repeats, 1, 1, 1)), batch_size=BATCH.value),
        "small files": lambda: from_folder(folder / "files", labelled=False, **options),
        "TFRecord shards": lambda: from_tfrecords(folder / "shards", **options),
    }
    sets, opened = {}, {}
    for name, opener in openers.items():
        start = time.perf_counter()
        sets[name] = opener()
        opened[name] = time.perf_counter() - start
    model = keras_ssl.SimCLR(keras_ssl.encoders.ConvNet(), views=keras_ssl.views.simclr(SIZE.value))
    model.compile(keras.optimizers.Adam(1e-3))
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(ROUNDS.value + 1):
        for name, data in sets.items():
            for kind, figure in (("alone", alone(data, 0)), ("training", training(model, data))):
                if number:  # the first round fills caches and compiles
                    figures.setdefault((name, kind), []).append(figure)
    images_read = STEPS.value * BATCH.value

    def rate(name: str, kind: str) -> float:
        return images_read / statistics.median(seconds for seconds, _ in figures[name, kind])

    def work(name: str, kind: str) -> float:
        return 1e6 * statistics.median(cpu for _, cpu in figures[name, kind]) / images_read

    step = rate("arrays in memory", "training")
    return [
        {
            "images": name,
            "opened in, s": f"{opened[name]:.1f}",
            "alone, images/s": f"{rate(name, 'alone'):,.0f}",
            "alone, CPU us/image": f"{work(name, 'alone'):.0f}",
            "alone / what the step needs": f"{rate(name, 'alone') / step:.2f}",
            "training, images/s": f"{rate(name, 'training'):,.0f}",
            "training, CPU us/image": f"{work(name, 'training'):.0f}",
            "training / that on arrays": f"{rate(name, 'training') / step:.2f}",
        }
        for name in sets
    ]


if __name__ == "__main__":
    app.run(main)
