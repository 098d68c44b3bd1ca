"""What trains where: backend, strategy, XLA and precision, each tried by training; writes SUPPORT.md.

    python benchmarks/support_matrix.py                     # all of it: minutes on two cores
    python benchmarks/support_matrix.py --only='jax.*float32' --output=/tmp/support.md

Every cell trains MoCo (batch norm of the whole batch, a queue, a teacher, random views) for three steps from the same
weights, on the CPU, and compares the losses, the gradients and the model's whole state with those of one TensorFlow
device without XLA at the same precision.
"""

import random
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from absl import app, flags

OUTPUT = flags.DEFINE_string("output", "SUPPORT.md", "The document to write.")
ONLY = flags.DEFINE_string(
    "only", "", "Run the cells in whose names this pattern is found; the others are called untested."
)
AT_ONCE = flags.DEFINE_integer("at_once", 2, "Cells that run at the same time.", lower_bound=1)

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# Sixteen times the rounding of one operation, for half precision: sums come in another order on several devices.
TOLERANCE = {"float32": 1e-5, "mixed_bfloat16": 16 * 2**-9, "mixed_float16": 16 * 2**-12}
STRATEGIES = {  # by backend: a name, the number of devices, that of processes which share them
    "tensorflow": [
        ("one device", 1, 1),
        ("`MirroredStrategy`, 2 devices", 2, 1),
        ("`MultiWorkerMirroredStrategy`, 2 processes", 2, 2),
        ("`TPUStrategy`", 0, 0),
    ],
    "jax": [
        ("one device", 1, 1),
        ("`DataParallel`, 2 devices", 2, 1),
        ("`DataParallel`, 2 processes", 2, 2),
        ("TPU", 0, 0),
    ],
}
PROCESSES = """
## Several processes

Every process runs the same program, with all of the data and the size of the global batch. Keras and TensorFlow start
none: that is for your scheduler. On TensorFlow, with `TF_CONFIG` in the environment:

```python
strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything that makes a tensor
with strategy.scope():
    model = keras_ssl.MoCo(encoder())
    model.compile(keras.optimizers.SGD(0.03))
model.fit(images, batch_size=256, callbacks=[keras_ssl.callbacks.Checkpoint("/shared/runs/1")])
```

On JAX the first two lines are `keras.distribution.initialize(addresses, processes, number)` and
`keras.distribution.set_distribution(keras.distribution.DataParallel())`; on CPUs the environment also needs
`JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo`. Validation takes arrays or a data set of keras_ssl there, and nothing else.
"""
UNTESTED, REFERENCE, FAILS = "untested", "the reference", "fails"


class Cell(NamedTuple):
    """One combination."""

    backend: str
    strategy: str
    devices: int
    processes: int
    jit: bool
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} {self.strategy.replace('`', '')} jit_compile={self.jit} {self.precision}"


def cells() -> list[Cell]:
    """All of them; the first of each precision is what the others are compared with."""
    return [
        Cell(backend, *strategy, jit, precision)
        for backend, strategies in STRATEGIES.items()
        for strategy in strategies
        for jit in (False, True)
        for precision in PRECISIONS
    ]


def save_model(path: Path, precision: str) -> None:
    """The objective, always with the same weights, made at a precision."""
    import keras_ssl
    from keras_ssl import views
    from keras_ssl.precision import dtype_policy

    random.seed(0)
    ops = [views.RandomFlip(0.5), views.RandomGrayscale(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    with dtype_policy(precision):
        encoder = keras_ssl.encoders.ConvNet(widths=(8, 16))
        two = views.MultiView([views.Compose(ops)] * 2)
        keras_ssl.MoCo(encoder, projector=(24, 12), queue_size=24, momentum=0.9, views=two).save(path)


def run(group: list[Cell], folder: Path) -> dict[Cell, Any]:
    """What cells recorded, or why they were refused. They differ in precision only, and share their processes."""
    from keras_ssl.testing.check_objective import random_arrays
    from keras_ssl.testing.run_steps import Job, run_elsewhere

    first, arrays = group[0], random_arrays()
    if not first.devices:
        return dict.fromkeys(group, UNTESTED)
    jobs = {
        cell.precision: Job(str(folder / f"{cell.precision}.keras"), arrays, jit_compile=cell.jit) for cell in group
    }
    try:
        found = run_elsewhere(jobs, first.backend, first.devices, workers=first.processes)
    except RuntimeError as error:
        if len(group) > 1:  # which of them?
            return {cell: run([cell], folder)[cell] for cell in group}
        found: dict[str, Any] = {first.precision: refusal(str(error))}
    print("\n".join(f"{cell}: done" for cell in group), flush=True)
    return {cell: found[cell.precision] for cell in group}


def refusal(error: str) -> str:
    """The library's own sentence, of a refusal; of a failure, which is a fault to mend, what was said last."""
    lines = error.splitlines()
    refused = [line for line in lines if line.startswith("ValueError: ") and "Received: " in line]
    if refused:
        return refused[-1].removeprefix("ValueError: ")
    print(error)
    return f"{FAILS}: {lines[-1]}"


def verdict(recording: Any, reference: Any, precision: str) -> str:
    """`equal` within the tolerance, `runs`, or `fails` where the numbers are none."""
    import numpy as np

    from keras_ssl.testing.check_objective import ConformanceError, compare_recordings

    if not all(np.isfinite(part).all() for part in (recording.losses, *recording.weights)):
        return FAILS
    try:
        compare_recordings("cell", precision, recording, reference, TOLERANCE[precision])
    except ConformanceError as error:
        print(f"  {error}")
        return "runs"
    return "equal"


def table(rows: Iterable[tuple[Cell, str]]) -> list[str]:
    """Markdown: a line for each strategy and jit, a column for each precision."""
    lines = [f"| backend | devices | `jit_compile` | {' | '.join(PRECISIONS)} |", "|---|---|---|" + "---|" * 3]
    grouped: dict[tuple, dict[str, str]] = {}
    for cell, text in rows:
        grouped.setdefault((cell.backend, cell.strategy, cell.jit), {})[cell.precision] = text
    for (backend, strategy, jit), texts in grouped.items():
        found = " | ".join(texts.get(precision, UNTESTED) for precision in PRECISIONS)
        lines.append(f"| {backend} | {strategy} | {jit} | {found} |")
    return lines


def document(rows: list[tuple[Cell, str]], reasons: list[str], versions: str) -> str:
    paragraphs = [
        "Written by `python benchmarks/support_matrix.py`: do not edit.",
        "Every cell that was tried trained MoCo (batch norm of the whole batch, a queue, a teacher, random views) for "
        f"three steps on logical devices of a CPU ({versions}). *equal*: the losses, the gradients and the "
        "model's whole state are those of one TensorFlow device without XLA at the same precision, to 1e-5 of their "
        "size in float32 (gradients: 1e-4), and to sixteen roundings of the half type in mixed precision. *runs*: "
        "finite, but not that near. *refused*: `fit` raises the error below before it begins. *untested*: not tried.",
        "Views are XLA programs of their own where the step is not compiled, on one device or several. A view that "
        "makes an image depend on the rest of its batch (`BatchStylesStandardization`) would see the part of a replica "
        "in it, and is refused under a tf.distribute strategy. For every objective of the library the conformance "
        "suite compares 1, 2 and 4 devices in float32 on both backends, and for one of each kind two processes "
        "(`tests/objectives/test_conformance.py`). `callbacks.Checkpoint` resumes on as many devices and processes, "
        "bit for bit, and on fewer to 1e-5 (`tests/callbacks/test_resumed_worlds.py`).",
    ]
    lines = ["# What trains where", ""]
    for paragraph in paragraphs:
        lines += [*textwrap.wrap(paragraph, 120, break_long_words=False), ""]
    lines += table(rows)
    for number, reason in enumerate(reasons, 1):
        lines += ["", *textwrap.wrap(f"({number}) {reason}", 120)]
    return "\n".join(lines) + "\n" + PROCESSES


def main(_: list[str]) -> None:
    import jax
    import keras
    import tensorflow as tf

    wanted = [cell for cell in cells() if re.search(ONLY.value, str(cell))]
    references = {cell.precision: cell for cell in reversed(cells())}
    needed = {*wanted, *(references[cell.precision] for cell in wanted)}
    groups = [list(group) for _, group in groupby((c for c in cells() if c in needed), key=lambda cell: cell[:-1])]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for precision in {cell.precision for cell in needed}:
            save_model(folder / f"{precision}.keras", precision)
        with ThreadPoolExecutor(AT_ONCE.value) as pool:
            parts = pool.map(lambda group: run(group, folder), groups)
            results = {cell: found for part in parts for cell, found in part.items()}
    refused = (found for found in results.values() if isinstance(found, str) and found != UNTESTED)
    rows, reasons = [], list(dict.fromkeys(refused))
    for cell in cells():
        found, reference = results.get(cell, UNTESTED), references[cell.precision]
        if isinstance(found, str) and found != UNTESTED:
            text = f"{FAILS if found.startswith(FAILS) else 'refused'} ({reasons.index(found) + 1})"
        elif isinstance(found, str) or isinstance(results[reference], str):
            text = UNTESTED
        elif cell == reference:
            text = REFERENCE
        else:
            text = verdict(found, results[reference], cell.precision)
        print(f"{cell}: {text}", flush=True)
        rows.append((cell, text))
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, JAX {jax.__version__}"
    Path(OUTPUT.value).write_text(document(rows, reasons, versions), encoding="utf-8")
    if any(text.startswith(FAILS) for _, text in rows):
        sys.exit("Some of what is not refused fails: see above.")


if __name__ == "__main__":
    app.run(main)
