"""What checkpoints cost, how soon a signal has one on the disk, and whether memory grows.

    python benchmarks/checkpointing.py --part=cost      # ratio of throughput with a checkpoint every 50 steps
    python benchmarks/checkpointing.py --part=signal    # SIGTERM to disk, ResNet-50 with a queue of 65,536
    python benchmarks/checkpointing.py --part=soak      # resident memory at the end and at step 200

KERAS_BACKEND=jax runs them on JAX. Rounds with and without checkpoints alternate, and the median of their ratios is
printed; that of the processor's time, of all threads, tells what a machine busy with other things hides.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from absl import app, flags

import keras_ssl
from keras_ssl.callbacks import Checkpoint, OnlineKNN, OnlineRankMe, StopOnNaN, Throughput

PART = flags.DEFINE_enum("part", "cost", ["cost", "signal", "soak", "signal-child"], "What to measure.")
STEPS = flags.DEFINE_integer("steps", 200, "Steps of a round of `cost`.")
ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds of each kind of `cost`.")
BATCH = flags.DEFINE_integer("batch_size", 128, "Images of a batch of `cost`.")
SOAK = flags.DEFINE_integer("soak_steps", 2000, "Steps of `soak`.")
FOLDER = flags.DEFINE_string("folder", "", "Where checkpoints are written. Default: a folder of the system's.")
OUTPUT = flags.DEFINE_string("output", "", "JSON file to write the figures to.")

EVERY = 50


def images(count: int, size: int = 16) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (count, size, size, 3)).astype("uint8")


def small_model() -> keras_ssl.SSLModel:
    model = keras_ssl.MoCo(keras_ssl.encoders.ConvNet(), queue_size=4096)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9))
    return model


def cost(folder: Path) -> dict[str, float]:
    """Both models take the same steps; one saves every 50 of them (and, as always, at the end)."""
    x = images(BATCH.value * STEPS.value)
    models = {name: small_model() for name in ("with", "without")}
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    work: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(ROUNDS.value + 1):
        order = ("with", "without") if number % 2 else ("without", "with")
        for name in order:
            callbacks = [Checkpoint(folder / str(number), every_epochs=None, every_steps=EVERY)]
            start, begun = time.perf_counter(), time.process_time()
            models[name].fit(x, batch_size=BATCH.value, verbose=0, callbacks=callbacks if name == "with" else [])
            if number:  # the first round traces
                seconds[name].append(time.perf_counter() - start)
                work[name].append(time.process_time() - begun)
    ratios = np.divide(seconds["without"], seconds["with"])
    saved = sum(path.stat().st_size for path in next((folder / "1").iterdir()).iterdir())
    return {
        "throughput_ratio": float(np.median(ratios)),
        "lowest_ratio": float(ratios.min()),
        "highest_ratio": float(ratios.max()),
        "cpu_time_ratio": float(np.median(np.divide(work["without"], work["with"]))),
        "ms_per_step": 1000 * float(np.median(seconds["without"])) / STEPS.value,
        "checkpoint_mb": saved / 1e6,
    }


def signal_child(folder: Path) -> None:
    """Trains until a signal ends it; says when a few steps are done."""

    class Say(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            print(batch + 1, time.time(), flush=True)

    encoder = keras_ssl.encoders.ResNet(50, stem="cifar")
    model = keras_ssl.MoCo(encoder, queue_size=65536)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9))
    checkpoint = Checkpoint(folder, every_epochs=None, signals=(signal.SIGTERM,))
    model.fit(images(4 * 1000), batch_size=4, epochs=100, verbose=0, callbacks=[checkpoint, Say()])


def signal_to_disk(folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--part=signal-child", f"--folder={folder}"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    times = [float(child.stdout.readline().split()[1]) for _ in range(4)]  # the first steps trace and warm up
    sent = time.perf_counter()
    child.send_signal(signal.SIGTERM)
    while not list(folder.glob("step-*")) and child.poll() is None:
        time.sleep(0.005)
    written = time.perf_counter() - sent
    child.communicate()
    size = sum(path.stat().st_size for path in folder.glob("step-*/*"))
    return {
        "seconds_to_disk": written,
        "seconds_to_exit": time.perf_counter() - sent,
        "exit_code": child.returncode,
        "seconds_per_step": times[-1] - times[-2],
        "checkpoint_mb": size / 1e6,
    }


def resident() -> float:
    """Megabytes of memory that the process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(folder: Path) -> dict[str, float]:
    """Every callback on, an epoch of 50 steps, checkpoints twice in each."""
    held = {}

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            held[(epoch + 1) * EVERY] = resident()

    x = images(EVERY * 32)
    y = np.arange(len(x)) % 10
    callbacks = [
        StopOnNaN(),
        OnlineKNN(x[:500], y[:500], batch_size=100),
        OnlineRankMe(x[:200]),
        Throughput(32),
        Watch(),
        Checkpoint(folder, every_steps=EVERY // 2, best="knn_accuracy"),
    ]
    if keras.backend.backend() == "tensorflow":
        callbacks.insert(-1, keras.callbacks.TensorBoard(str(folder / "logs")))
    small_model().fit(x, batch_size=32, epochs=SOAK.value // EVERY, verbose=0, callbacks=callbacks)
    early, late = held[200], held[max(held)]
    return {"mb_at_200": early, "mb_at_end": late, "steps": max(held), "growth_percent": 100 * (late / early - 1)}


def main(_: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(FOLDER.value or temporary)
        if PART.value == "signal-child":
            signal_child(folder)
            return
        figures = {"cost": cost, "signal": signal_to_disk, "soak": soak}[PART.value](folder)
    print(f"{PART.value}, {keras.backend.backend()}")
    for name, value in figures.items():
        print(f"  {name:18} {value:10.3f}")
    if OUTPUT.value:
        Path(OUTPUT.value).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)
