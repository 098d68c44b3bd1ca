"""Runs a few training steps and records them; as a program, under another backend or on several replicas.

A backend and the devices of a process are fixed before its first tensor, so comparing backends or numbers of replicas
takes processes. The parent saves models (`.keras`) and arrays (`.npz`); `python -m keras_ssl.testing.run_steps PLAN`
runs them under one backend and one number of replicas and writes what it recorded.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT_SECONDS = 1200


@dataclass(frozen=True)
class Recording:
    """What happened in a run: the loss of every step, and all weights before and after."""

    losses: np.ndarray
    weights: list[np.ndarray]
    start: list[np.ndarray]


@dataclass(frozen=True)
class Job:
    """One model to train, and how."""

    model: str
    arrays: Mapping[str, Any]
    batch_size: int = 12
    epochs: int = 1
    learning_rate: float = 1e-4
    jit_compile: bool | str = "auto"
    global_clipnorm: float | None = None


def record(model: Any, job: Job, initial_epoch: int = 0, save_first_epoch: str | None = None) -> Recording:
    """Trains `model` by plain SGD and records every step; saves its weights after the first epoch where told."""
    import keras

    losses: list[float] = []

    class KeepLosses(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.reset_metrics()  # so that the logs are the step's own, not a running mean

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            losses.append(float(logs["loss"]))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if save_first_epoch is not None and epoch == 0:
                self.model.save_weights(save_first_epoch)

    start = _weights(model)
    if not model.compiled:
        optimizer = keras.optimizers.SGD(job.learning_rate, global_clipnorm=job.global_clipnorm)
        model.compile(optimizer, jit_compile=job.jit_compile)
    model.fit(
        dict(job.arrays),
        batch_size=job.batch_size,
        epochs=job.epochs,
        initial_epoch=initial_epoch,
        verbose=0,
        callbacks=[KeepLosses()],
    )
    return Recording(np.asarray(losses), _weights(model), start)


def _weights(model: Any) -> list[np.ndarray]:
    """Copies: on a CPU an array may share the memory of the variable it was read from."""
    return [np.array(weight) for weight in model.get_weights()]


def run_elsewhere(
    jobs: Mapping[str, Job], backend: str, replicas: int = 1, modules: Sequence[str] = ()
) -> dict[str, Recording]:
    """Runs saved models in a fresh process.

    Args:
        jobs: by name; `model` is the path of a `.keras` file.
        backend: "tensorflow" or "jax".
        replicas: logical CPU devices that share each global batch. Defaults to 1.
        modules: modules to import first, which register what the models are made of.

    Returns:
        A recording per job.

    Raises:
        RuntimeError: with the process's last words, if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan: dict[str, Any] = {"replicas": replicas, "modules": list(modules), "jobs": {}}
        for number, (name, job) in enumerate(jobs.items()):
            arrays = os.path.join(folder, f"{number}-in.npz")
            np.savez(arrays, **job.arrays)
            plan["jobs"][name] = {
                **job.__dict__,
                "arrays": arrays,
                "out": os.path.join(folder, f"{number}-out.npz"),
            }
        plan_file = Path(folder, "plan.json")
        plan_file.write_text(json.dumps(plan), encoding="utf-8")
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "CUDA_VISIBLE_DEVICES": "",
            "JAX_PLATFORMS": "cpu",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={replicas}" if backend == "jax" else "",
        }
        done = subprocess.run(
            [sys.executable, "-m", "keras_ssl.testing.run_steps", str(plan_file)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(
                f"Training on {backend} with {replicas} replicas failed. Received: {done.stderr[-3000:]}"
            )
        recordings = {}
        for name, entry in plan["jobs"].items():
            with np.load(entry["out"]) as out:
                count = (len(out.files) - 1) // 2
                weights, start = ([out[f"{key}{n}"] for n in range(count)] for key in ("weight", "start"))
                recordings[name] = Recording(out["losses"], weights, start)
        return recordings


def _replica_scope(replicas: int) -> Any:
    """A context in which models are made so that `replicas` devices share their batches."""
    import keras

    if replicas == 1:
        return nullcontext()
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        return nullcontext()
    import tensorflow as tf

    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    # One strategy serves all jobs: the collectives of a second one in the same process meet those of the first.
    return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)]).scope()


def main(plan_file: str) -> None:
    """Runs the plan that a parent process wrote."""
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    import keras

    import keras_ssl  # noqa: F401  registers the library's classes

    for module in plan["modules"]:
        importlib.import_module(module)
    with _replica_scope(plan["replicas"]):
        for entry in plan["jobs"].values():
            out = entry.pop("out")
            with np.load(entry["arrays"]) as arrays:
                entry["arrays"] = dict(arrays)
            job = Job(**entry)
            recording = record(keras.saving.load_model(job.model, compile=False), job)
            recorded: dict[str, Any] = {"losses": recording.losses}
            recorded |= {f"weight{number}": weight for number, weight in enumerate(recording.weights)}
            recorded |= {f"start{number}": weight for number, weight in enumerate(recording.start)}
            np.savez(out, **recorded)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the training steps of a plan.")
    parser.add_argument("plan")
    main(parser.parse_args().plan)
