"""What devices send one another in a step, by method: `python benchmarks/communication.py`.

Each method's step is compiled by JAX for a few devices of this processor, at three sizes of the batch and two widths of
the projector, and the collectives are read from the compiled program: no figure here is of a clock. The bytes beside
those of the gradient are fitted by `a N D + b D^2 + c N^2 + d min(N, D)^2 + e` (N samples of the global batch, D the
width), no coefficient below zero, which tells how a method scales; the fit is then taken to a ResNet-50 and the
method's own width. A ring of W devices sends `2 (W - 1) / W` times the bytes of an all-reduce and
`(W - 1) / W` times those of an all-gather. The table goes to benchmarks/results/communication.md. About twenty minutes
on two cores.
"""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _tables import markdown, publish
from absl import app, flags
from scipy.optimize import nnls

DEVICES = flags.DEFINE_integer("devices", 4, "Devices of the compiled program.", lower_bound=2)
ONLY = flags.DEFINE_list("only", [], "Only these methods.")
OUTPUT = flags.DEFINE_string("output", "benchmarks/results/communication.md", "The table.")
CASE = flags.DEFINE_string("case", None, "Method, batch size and width of one program; for its own use.")

BATCHES, WIDTHS = (64, 128, 256), (64, 128)
# Methods with the width that their papers give the projector.
METHODS = {
    "SimCLR": 128,
    "MoCo": 128,
    "BYOL": 256,
    "BarlowTwins": 8192,
    "VICReg": 8192,
    "LeJEPA": 512,
    "SwAV": 128,
    "FroSSL": 1024,
    "MMCR": 512,
}
RESNET50_BYTES = 4 * 23_508_032
PER_DEVICE = 128  # images of a GPU
STEP_SECONDS = 0.4  # of a ResNet-50 with two views of 128 images, on a GPU at some 650 images a second
LINKS = {"25 Gbit/s": 25e9 / 8, "400 Gbit/s": 400e9 / 8}
WORLDS = (8, 64, 256)
_SIZES = {"f64": 8, "s64": 8, "u64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "u16": 2, "s16": 2}
_COLLECTIVE = re.compile(
    r"= (\([^=]*?\)|\S+) (all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all)(?:-start)?\("
)
_ARRAY = re.compile(r"\b([a-z]+\d+|pred)\[([\d,]*)\]")


def array_bytes(shapes: str) -> int:
    """The bytes of the arrays that a line of HLO names, such as `(f32[3,4]{1,0}, f32[])`."""
    return sum(
        _SIZES.get(kind, 1) * math.prod(int(size) for size in sizes.split(",") if size)
        for kind, sizes in _ARRAY.findall(shapes)
    )


def collectives(hlo: str) -> list[tuple[str, int]]:
    """The collectives of a compiled program, by kind, with the bytes of their results on one device."""
    return [(kind, array_bytes(shapes)) for shapes, kind in _COLLECTIVE.findall(hlo)]


def sent(kind: str, size: float, world: int) -> float:
    """The bytes that each of `world` devices in a ring sends for a collective whose result has `size` bytes."""
    share = (world - 1) / world
    return {"all-reduce": 2 * share * size, "reduce-scatter": (world - 1) * size, "collective-permute": size}.get(
        kind, share * size
    )


def compiled_case(method: str, batch_size: int, width: int) -> dict[str, Any]:
    """Compiles and takes one step of a method; the collectives of it, and the bytes of its trained weights."""
    folder = tempfile.mkdtemp()
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["XLA_FLAGS"] = (
        f"--xla_force_host_platform_device_count={DEVICES.value} --xla_dump_to={folder} --xla_dump_hlo_as_text "
        "--xla_backend_optimization_level=0"
    )
    import keras

    keras.distribution.set_distribution(keras.distribution.DataParallel())
    import keras_ssl

    encoder = keras_ssl.encoders.ConvNet((16, 32), input_shape=(16, 16, 3))
    views = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.5)] * 2)
    arguments: dict[str, Any] = {"projector": (32, width), "views": views}
    if method == "BYOL":
        arguments["predictor"] = (32, width)
    if method == "MoCo":
        arguments["queue_size"] = 1024
    if method == "SwAV":
        arguments.update(prototypes=64, queue_size=0)
    model = getattr(keras_ssl, method)(encoder, **arguments)
    model.compile("sgd")
    images = np.random.default_rng(0).integers(0, 256, (batch_size, 16, 16, 3), dtype="uint8")
    model.fit(images, batch_size=batch_size, verbose=0)
    programs = [path.read_text() for path in Path(folder).glob("*train_step*after_optimizations.txt")]
    found = [entry for text in programs for entry in collectives(text)]
    weights = sum(4 * math.prod(weight.shape) for weight in model.trainable_weights)
    return {"collectives": found, "weights": weights, "scope": model.scope}


@dataclass
class Case:
    """What one compiled program sends: the bytes of the gradient are those of the trained weights."""

    batch_size: int
    width: int
    count: int
    reduced: float
    gathered: float


def measure(method: str) -> tuple[list[Case], str]:
    cases, scope = [], ""
    for batch_size in BATCHES:
        for width in WIDTHS:
            command = [sys.executable, __file__, f"--case={method},{batch_size},{width}", f"--devices={DEVICES.value}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{method} does not compile: {done.stderr[-2000:]}")
            found = json.loads(done.stdout.splitlines()[-1])
            scope = found["scope"]
            reduced = sum(size for kind, size in found["collectives"] if kind == "all-reduce") - found["weights"]
            others = sum(sent(kind, size, DEVICES.value) for kind, size in found["collectives"] if kind != "all-reduce")
            gathered = others * DEVICES.value / (DEVICES.value - 1)
            cases.append(Case(batch_size, width, len(found["collectives"]), reduced, gathered))
    return cases, scope


def _sizes(batch_size: int, width: int) -> list[float]:
    """What the terms of the fit multiply: of the smaller of two matrices, N x N and D x D, methods may send one."""
    return [batch_size * width, width**2, batch_size**2, min(batch_size, width) ** 2, 1.0]


def fitted(cases: list[Case], values: list[float]) -> np.ndarray:
    """The coefficients of `_sizes`, none below zero."""
    rows = np.array([_sizes(case.batch_size, case.width) for case in cases], "float64")
    scale = rows.max(axis=0)
    return nnls(rows / scale, np.array(values, "float64"))[0] / scale


def at(coefficients: np.ndarray, batch_size: int, width: int) -> float:
    return float(coefficients @ _sizes(batch_size, width))


def shown(coefficients: np.ndarray) -> str:
    """The terms that count, in bytes."""
    names = ("N D", "D^2", "N^2", "min(N, D)^2", "")
    terms = [f"{value:.3g} {name}".strip() for value, name in zip(coefficients, names, strict=True) if value > 0.05]
    return " + ".join(terms) or "0"


def rows_of(method: str, width: int) -> list[str]:
    cases, scope = measure(method)
    reduced, gathered = (fitted(cases, [getattr(case, name) for case in cases]) for name in ("reduced", "gathered"))
    row = [method, scope, str(cases[0].count), shown(reduced), shown(gathered), str(width)]
    for world in WORLDS:
        batch_size = world * PER_DEVICE
        own = sent("all-reduce", at(reduced, batch_size, width), world) + sent(
            "all-gather", at(gathered, batch_size, width), world
        )
        gradient = sent("all-reduce", RESNET50_BYTES, world)
        times = [(gradient + own) / speed for speed in LINKS.values()]
        row.append(f"{own / 1e6:.0f}")
        row.append(" / ".join(f"{STEP_SECONDS / (STEP_SECONDS + seconds):.0%}" for seconds in times))
    return row


def main(_: list[str]) -> None:
    if CASE.value is not None:
        method, batch_size, width = CASE.value.split(",")
        print(json.dumps(compiled_case(method, int(batch_size), int(width))))
        return
    unknown = sorted(set(ONLY.value) - set(METHODS))
    if unknown:
        raise app.UsageError(f"--only must be among {', '.join(METHODS)}. Received: {', '.join(unknown)}")
    rows = [rows_of(name, width) for name, width in METHODS.items() if not ONLY.value or name in ONLY.value]
    header = ["method", "scope", "collectives", "all-reduced, bytes", "gathered and moved, bytes", "D"]
    for world in WORLDS:
        header += [f"W = {world}: MB sent beside the gradient", f"share of ideal at {' / '.join(LINKS)}"]
    text = (
        f"What each device sends in a step beside the gradient, by the compiled program of {DEVICES.value} devices "
        "(JAX): N samples of the global batch, D the projector's width; small terms of batch normalization are "
        f"among the constants. Taken to a ResNet-50 (gradient {RESNET50_BYTES / 1e6:.0f} MB) with {PER_DEVICE} images "
        f"on each of W GPUs, the paper's D, and a step of {STEP_SECONDS} s: the share of W times one GPU's speed, if "
        "nothing that is sent overlaps with computing. A ring; no latency. The fit is to batches and widths of "
        f"{' and '.join(map(str, BATCHES))}: a compiler may divide a larger program in another way."
    )
    command = "Written by `python benchmarks/communication.py`."
    publish(OUTPUT.value, f"{text}\n\n{markdown(header, rows)}\n{command}\n")


if __name__ == "__main__":
    app.run(main)
