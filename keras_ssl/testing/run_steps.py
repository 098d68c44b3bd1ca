"""Runs a few training steps and records them; as a program, under another backend, on several replicas or processes.

A backend and the devices of a process are fixed before its first tensor, so comparing backends or numbers of replicas
takes processes. The parent saves models (`.keras`) and arrays (`.npz`); `python -m keras_ssl.testing.run_steps PLAN`
runs them under one backend and one number of replicas and writes what it recorded. Several such programs may be the
workers of one training (`workers`): they find each other on this machine.
"""

import argparse
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT_SECONDS = 1200
_LOGICAL_DEVICES = "--xla_force_host_platform_device_count"


@dataclass(frozen=True)
class Recording:
    """What happened in a run: the loss of every step, all weights before and after, and the gradients.

    The weights are all that the model has: a teacher's, queues, centers and prototypes among them. The gradients are
    of the trainable ones, a running sum over the steps, `g_t + 0.5 g_{t-1} + 0.25 g_{t-2} ...`, which the momentum of
    the optimizer keeps: what small steps change in a weight shows a gradient's first two digits only.
    """

    losses: np.ndarray
    weights: list[np.ndarray]
    start: list[np.ndarray]
    gradients: list[np.ndarray]


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
    """Trains `model` by SGD and records every step; saves its weights after the first epoch where told."""
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
        compile_for(model, job)
    model.fit(
        dict(job.arrays),
        batch_size=job.batch_size,
        epochs=job.epochs,
        initial_epoch=initial_epoch,
        verbose=0,
        callbacks=[KeepLosses()],
    )
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    gradients = [np.asarray(slot) / -job.learning_rate for slot in inner.momentums]
    return Recording(np.asarray(losses), _weights(model), start, gradients)


def compile_for(model: Any, job: Job) -> None:
    """Compiles a model as `record` does."""
    import keras

    optimizer = keras.optimizers.SGD(job.learning_rate, momentum=0.5, global_clipnorm=job.global_clipnorm)
    model.compile(optimizer, jit_compile=job.jit_compile)


def _weights(model: Any) -> list[np.ndarray]:
    """Copies: on a CPU an array may share the memory of the variable it was read from."""
    return [np.array(weight) for weight in model.get_weights()]


def run_elsewhere(
    jobs: Mapping[str, Job], backend: str, replicas: int = 1, modules: Sequence[str] = (), workers: int = 1
) -> dict[str, Recording]:
    """Runs saved models in fresh processes.

    Args:
        jobs: by name; `model` is the path of a `.keras` file.
        backend: "tensorflow" or "jax".
        replicas: logical CPU devices that share each global batch. Defaults to 1.
        modules: modules to import first, which register what the models are made of.
        workers: processes among which the replicas are divided; on TensorFlow each has one. Defaults to 1.

    Returns:
        A recording per job; with several workers the first one's.

    Raises:
        RuntimeError: with the last words of a process that fails, or if the workers do not end with equal weights.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan: dict[str, Any] = {"replicas": replicas, "modules": list(modules), "jobs": {}}
        for number, (name, job) in enumerate(jobs.items()):
            arrays = os.path.join(folder, f"{number}-in.npz")
            np.savez(arrays, **_packed(job.arrays))
            plan["jobs"][name] = {**job.__dict__, "arrays": arrays, "out": str(number)}
        plan_file = Path(folder, "plan.json")
        plan_file.write_text(json.dumps(plan), encoding="utf-8")
        command = [sys.executable, "-m", "keras_ssl.testing.run_steps", str(plan_file)]
        environments = worker_environments(backend, workers, replicas // workers)
        for worker, (code, errors) in enumerate(run_together(command, environments)):
            if code:
                raise RuntimeError(
                    f"Training on {backend} with {replicas} replicas failed in process {worker} of {workers}. "
                    f"Received: {errors[-3000:]}"
                )
        recordings = {name: _read(Path(folder, f"0-{entry['out']}.npz")) for name, entry in plan["jobs"].items()}
        for worker in range(1, workers):
            for name, entry in plan["jobs"].items():
                theirs = _read(Path(folder, f"{worker}-{entry['out']}.npz"))
                same = zip(theirs.weights, recordings[name].weights, strict=True)
                if not all(np.array_equal(mine, first) for mine, first in same):
                    raise RuntimeError(f"Processes 0 and {worker} of one training end apart. Received: job={name!r}")
        return recordings


def worker_environments(backend: str, workers: int, devices: int = 1) -> list[dict[str, str]]:
    """The environments of processes that train together on this machine's CPU, with so many logical devices each.

    TensorFlow reads TF_CONFIG by itself; for JAX, `replica_scope` reads KERAS_DISTRIBUTION_*, which are Keras' own.
    """
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("TF_CONFIG", "KERAS_DIST"))}
    flags = [flag for flag in outside.get("XLA_FLAGS", "").split() if not flag.startswith(_LOGICAL_DEVICES)]
    if backend == "jax":
        flags.append(f"{_LOGICAL_DEVICES}={devices}")
    environment = {
        **outside,
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": " ".join(flags),
    }
    if workers == 1:
        return [environment]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    if backend == "jax":
        shared = {"JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo", "KERAS_DISTRIBUTION_JOB_ADDRESSES": addresses[0]}
        shared["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(workers)
        return [{**environment, **shared, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)} for number in range(workers)]
    cluster = {"worker": addresses}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": number}} for number in range(workers)]
    return [{**environment, "TF_CONFIG": json.dumps(task)} for task in tasks]


def run_together(command: Sequence[str], environments: Sequence[Mapping[str, str]]) -> list[tuple[int, str]]:
    """Runs one command in several environments at the same time: exit code and error output of each.

    The others are killed once one fails: they would wait for it.
    """
    with ExitStack() as at_end:
        files = [at_end.enter_context(tempfile.TemporaryFile("w+", errors="replace")) for _ in environments]
        processes = [
            subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=file)
            for environment, file in zip(environments, files, strict=True)
        ]
        for process in processes:
            at_end.callback(process.kill)
        end = time.monotonic() + TIMEOUT_SECONDS
        while any(process.poll() is None for process in processes):
            if time.monotonic() > end or any(process.poll() for process in processes):
                break
            time.sleep(0.05)
        failed = [process.poll() for process in processes]
        for process in processes:
            process.kill()
            process.wait()
        for file in files:
            file.seek(0)
        # Those that were killed for another's failure have none of their own.
        codes = [
            0 if code is None and any(failed) else process.returncode
            for code, process in zip(failed, processes, strict=True)
        ]
        return [(code, file.read()) for code, file in zip(codes, files, strict=True)]


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, each another."""
    with ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _packed(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays by batch key as a file holds them: columns one by one."""
    columns = arrays["x"] if isinstance(arrays["x"], dict) else {}
    packed = {f"x.{name}": column for name, column in columns.items()}
    return packed | {key: value for key, value in arrays.items() if key != "x" or not columns}


def _unpacked(file: Any) -> dict[str, Any]:
    arrays = {name: file[name] for name in file.files if not name.startswith("x.")}
    columns = {name.removeprefix("x."): file[name] for name in file.files if name.startswith("x.")}
    return {**arrays, "x": columns} if columns else arrays


_LISTS = ("weights", "start", "gradients")


def _write(file: Path, recording: Recording) -> None:
    arrays = {f"{kind}-{n}": array for kind in _LISTS for n, array in enumerate(getattr(recording, kind))}
    np.savez(file, losses=recording.losses, **arrays)


def _read(file: Path) -> Recording:
    with np.load(file) as out:
        lists = {kind: [out[name] for name in out.files if name.startswith(f"{kind}-")] for kind in _LISTS}
        return Recording(out["losses"], **lists)


def replica_scope(replicas: int) -> tuple[Any, int]:
    """A context in which models are made so that devices share their batches, and this process's number.

    The devices are `replicas` logical ones of this process, or those of all processes that `worker_environments` has
    set up. Call it before anything that makes a tensor.
    """
    import keras

    if keras.backend.backend() == "jax":
        process = int(os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", 0))
        if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
            keras.distribution.initialize()
        if replicas > 1:
            keras.distribution.set_distribution(keras.distribution.DataParallel())
        return nullcontext(), process
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        return strategy.scope(), strategy.cluster_resolver.task_id
    if replicas == 1:
        return nullcontext(), 0
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    # One strategy serves all jobs: the collectives of a second one in the same process meet those of the first.
    return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(replicas)]).scope(), 0


def main(plan_file: str) -> None:
    """Runs the plan that a parent process wrote."""
    plan = json.loads(Path(plan_file).read_text(encoding="utf-8"))
    import keras

    import keras_ssl  # noqa: F401  registers the library's classes

    for module in plan["modules"]:
        importlib.import_module(module)
    scope, process = replica_scope(plan["replicas"])
    with scope:
        for entry in plan["jobs"].values():
            out = Path(plan_file).with_name(f"{process}-{entry.pop('out')}.npz")
            with np.load(entry["arrays"]) as arrays:
                entry["arrays"] = _unpacked(arrays)
            job = Job(**entry)
            _write(out, record(keras.saving.load_model(job.model, compile=False), job))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the training steps of a plan.")
    parser.add_argument("plan")
    main(parser.parse_args().plan)
