"""How long collectives take between processes of one machine: `python benchmarks/loopback.py`.

2, 4 and 8 processes on the loopback interface sum arrays over all (all-reduce) or collect all parts (all-gather), by
JAX (gloo) and by TensorFlow (`MultiWorkerMirroredStrategy`, its ring), in sizes from those of statistics to those of a
small network's gradient. Of each case the median of the rounds, as process 0 sees them. A line `seconds = latency +
bytes / rate` is fitted to each kind and number of processes, bytes those that a ring sends: `2 (W - 1) / W` times the
array for an all-reduce, `(W - 1) / W` times the result for an all-gather.

All processes share the cores of this machine: with more processes than cores the figures are those of its scheduler
too, and say nothing of a network. The table goes to benchmarks/results/loopback.md. About five minutes on two cores.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _tables import machine, markdown, publish
from absl import app, flags

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = flags.DEFINE_list("processes", ["2", "4", "8"], "Numbers of processes.")
BACKENDS = flags.DEFINE_list("backends", ["jax", "tensorflow"], "Backends.")
ROUNDS = flags.DEFINE_integer("rounds", 15, "Rounds of each case, after three that do not count.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/loopback.md", "The table.")
WORKER = flags.DEFINE_string("worker", None, "Internal: backend, place, number of processes and ports, as JSON.")

KILOBYTES = (4, 64, 1024, 8192)
KINDS = ("all-reduce", "all-gather")
Collective = Callable[[str, np.ndarray], Any]


def of_jax(place: int, count: int, ports: list[int]) -> Collective:
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{ports[0]}", count, place)
    mesh = Mesh(np.array(jax.devices()), ("all",))
    parts, whole = NamedSharding(mesh, PartitionSpec("all")), NamedSharding(mesh, PartitionSpec())
    programs = {
        "all-reduce": jax.jit(lambda x: x.sum(axis=0), in_shardings=parts, out_shardings=whole),
        "all-gather": jax.jit(lambda x: x + 1.0, in_shardings=parts, out_shardings=whole),
    }

    def run(kind: str, mine: np.ndarray) -> Any:
        given = jax.make_array_from_process_local_data(parts, mine[None])
        return lambda: jax.block_until_ready(programs[kind](given))

    return run


def of_tensorflow(place: int, count: int, ports: list[int]) -> Collective:
    workers = [f"127.0.0.1:{port}" for port in ports]
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": place}})
    import tensorflow as tf

    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)

    def run(kind: str, mine: np.ndarray) -> Any:
        held = tf.constant(mine[None])

        def step() -> Any:
            context = tf.distribute.get_replica_context()
            return context.all_reduce("sum", held) if kind == "all-reduce" else context.all_gather(held, axis=0)

        program = tf.function(lambda: strategy.run(step))
        return lambda: program().numpy()

    return run


def work(given: dict[str, Any]) -> None:
    """What one process does; the first prints seconds by kind and size."""
    start = of_jax if given["backend"] == "jax" else of_tensorflow
    collective, found = start(given["place"], given["count"], given["ports"]), []
    for kind in KINDS:
        for size in KILOBYTES:
            program, taken = collective(kind, np.ones(size * 256, "float32")), []
            for _ in range(ROUNDS.value + 3):
                begin = time.perf_counter()
                program()
                taken.append(time.perf_counter() - begin)
            found.append({"kind": kind, "kilobytes": size, "seconds": statistics.median(taken[3:])})
    if given["place"] == 0:
        print(json.dumps(found), flush=True)
    os._exit(0)  # without waiting for the others to say goodbye


def measured(backend: str, count: int) -> list[dict[str, Any]]:
    """The seconds of process 0, of `count` processes."""
    from keras_ssl.testing.run_steps import free_ports  # only here: the workers import no Keras

    ports = free_ports(count)
    running = []
    for place in range(count):
        job = json.dumps({"backend": backend, "place": place, "count": count, "ports": ports})
        command = [sys.executable, __file__, f"--worker={job}", f"--rounds={ROUNDS.value}"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        running.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    try:
        out, err = running[0].communicate(timeout=600)
    finally:
        for process in running:
            process.kill()
    lines = [line for line in out.splitlines() if line.startswith("[")]
    if not lines:
        raise RuntimeError(f"A run failed. Received: {err[-2000:]}")
    return json.loads(lines[-1])


def sent(kind: str, kilobytes: int, count: int) -> float:
    """Megabytes that each process of a ring sends."""
    array = kilobytes / 1024
    return 2 * (count - 1) / count * array if kind == "all-reduce" else (count - 1) * array


def fitted(kind: str, count: int, rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Latency in ms and rate in MB/s of the line through the medians, by relative error, neither below zero."""
    from scipy.optimize import nnls

    seconds = np.array([row["seconds"] for row in rows])
    columns = np.stack([np.ones(len(rows)), [sent(kind, row["kilobytes"], count) for row in rows]], axis=1)
    (latency, each), _ = nnls(columns / seconds[:, None], np.ones(len(rows)))
    return 1000 * latency, 1 / each if each else float("inf")


def main(_: list[str]) -> None:
    if WORKER.value:
        work(json.loads(WORKER.value))
    lines = []
    for backend in BACKENDS.value:
        for count in map(int, PROCESSES.value):
            found = measured(backend, count)
            for kind in KINDS:
                rows = [row for row in found if row["kind"] == kind]
                latency, rate = fitted(kind, count, rows)
                times = [f"{1000 * row['seconds']:.1f}" for row in rows]
                lines.append([backend, kind, str(count), *times, f"{latency:.1f}", f"{rate:.0f}"])
                print(*lines[-1], flush=True)
    header = ["backend", "collective", "processes", *(f"{size:,} kB, ms" for size in KILOBYTES)]
    publish(
        OUTPUT.value,
        "# Collectives on the loopback interface\n\n"
        f"Medians of {ROUNDS.value} rounds; kB of each process' array. {machine()}: all processes share these cores, "
        "so the rows of more processes tell of the scheduler too, and none of a network. Latency and rate are of the "
        "line `ms = latency + MB sent / rate`.\n\n"
        + markdown([*header, "latency, ms", "rate, MB/s"], lines)
        + "\nWritten by `python benchmarks/loopback.py`.\n",
    )


if __name__ == "__main__":
    app.run(main)
