"""The memory of a training step beside a bare loop's, for every objective: `python benchmarks/memory.py`.

ResNet-18, 32 pixels, batch 256, float32, SGD with momentum; each objective as in its `zoo/recipes/*_cifar10.toml`.
The bare loop is written by hand (`workers/keras_ssl_memory.py`): the same encoder, heads, ready-made views and forward
passes, the teacher's included, with the mean square of what they give for a loss, SGD in two lines, the teacher's
average in one, and the state (weights, velocities, queues) held once. Where it is the loss that takes memory, that is
written out by hand too: ReSSL, InterCLR, Barlow Twins with 8,192 dimensions and MoCo with a queue of 65,536.

The first table is XLA's own account of the compiled step on JAX: exact, the same on every run and every machine with
the same versions, and nothing runs. The second is what a TensorFlow process holds at most, beyond what it held before
the model was made, each side in a fresh process. About 15 minutes on two cores; the first table may share them.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _runs import ROOT, on_all_cores
from _tables import last_words, machine, markdown
from absl import app, flags
from environments import own_python
from side_by_side import Job, Worker

ONLY = flags.DEFINE_string("only", "", "Regular expression: the cases to measure, by name. Default: all.")
SIZE = flags.DEFINE_integer("size", 32, "Pixels.", lower_bound=8)
BATCH = flags.DEFINE_integer("batch_size", 256, "Images of a batch.", lower_bound=2)
PROCESSES = flags.DEFINE_bool("processes", True, "Whether the second table is made too.")
OUTPUT = flags.DEFINE_string("output", str(ROOT / "benchmarks" / "results" / "memory.md"), "The tables.")

TARGET = 1.1
_BY_HAND = ("ressl", "interclr")  # losses that need matrices as large as a queue or the data set is long
_RUN = ("barlow_twins", "byol", "moco")  # what the second table is of, besides the large ones
# Code is made for a program that never runs: it need not be fast.
_XLA = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@dataclass(frozen=True)
class Case:
    """An objective to measure.

    Args:
        name: the row's.
        recipe: its recipe.
        overrides: of the recipe, as for `Recipe.override`.
        loss: the bare loop's.
        large: what there should be no copy of, and its bytes; None where nothing is that large.
    """

    name: str
    recipe: str
    overrides: list[str] = field(default_factory=list)
    loss: str = "plain"
    large: tuple[str, int] | None = None

    def options(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "overrides": self.overrides,
            "loss": self.loss,
            "size": SIZE.value,
            "batch_size": BATCH.value,
        }


@dataclass(frozen=True)
class Row:
    """A line of a table: the bytes of both sides, or why there are none."""

    case: str
    ours: float = 0.0
    bare: float = 0.0
    note: str = ""

    def cells(self) -> list[str]:
        if self.note:
            return [self.case, "", "", "", f"{TARGET}", f"not measured: {self.note}"]
        ratio = self.ours / self.bare
        sizes = (f"{size / 2**20:,.0f} MiB" for size in (self.ours, self.bare))
        return [self.case, *sizes, f"{ratio:.3f}", f"{TARGET}", "yes" if ratio <= TARGET else "no"]


def cases() -> Iterator[Case]:
    """Every objective by its recipe for CIFAR-10, or where it has none by another; and the two large ones."""
    import keras_ssl
    from keras_ssl.hub.recipe import Recipe, list_recipes

    recipes = {name: Recipe.read(name).sections["objective"]["name"] for name in list_recipes()}
    for recipe in recipes:
        if recipe.endswith("_cifar10"):
            name = recipe.removesuffix("_cifar10")
            yield Case(name, recipe, loss=name if name in _BY_HAND else "plain")
    for kind in keras_ssl.objectives.__all__:
        known = [recipe for recipe, name in recipes.items() if name == kind]
        if known and not any(recipe.endswith("_cifar10") for recipe in known):
            encoder = ["encoder.name=ResNet", "encoder.depth=18", "encoder.stem=cifar"]
            yield Case(known[0].rpartition("_")[0], known[0], encoder)
    yield Case(
        "moco, version 2, a queue of 65,536",
        "moco_cifar10",
        [
            "objective.version=2",
            "objective.projector=[512, 128]",
            "objective.predictor=none",
            "objective.queue_size=65536",
            "views.version=2",
        ],
        "moco",
        ("queue", 4 * 65536 * 128),
    )
    yield Case(
        "barlow_twins, 8,192 dimensions",
        "barlow_twins_cifar10",
        ["objective.projector=[8192, 8192, 8192]", "objective.scale=1.0"],
        "barlow_twins",
        ("matrix of 8,192 by 8,192", 4 * 8192**2),
    )


def compiled(case: Case) -> Row:
    """By XLA's account."""
    environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": _XLA}
    with Worker(Job(own_python(), "keras_ssl_memory:compiled", case.options(), environment)) as worker:
        answer = worker.round()
    return Row(case.name, *(sum(answer[side].values()) for side in ("ours", "bare")))


def processes(case: Case) -> Row:
    """By what two processes, one after the other, hold at most."""
    sizes = []
    for factory in ("keras_ssl_memory:fit", "keras_ssl_memory:bare"):
        with Worker(Job(own_python(), factory, case.options(), {"KERAS_BACKEND": "tensorflow"})) as worker:
            answer = worker.round()
        sizes.append(answer["peak_mb"] * 2**20 - answer["before"])
    return Row(case.name, *sizes)


def measured(measure: Callable[[Case], Row], case: Case) -> Row:
    try:
        row = measure(case)
    except RuntimeError as error:
        row = Row(case.name, note=last_words(error))
    print(" | ".join(row.cells()), flush=True)
    return row


def copies(case: Case, row: Row) -> str:
    """How many of what is large the step holds more than the bare loop, as a sentence; none where nothing is large."""
    if case.large is None or row.note:
        return ""
    what, size = case.large
    beyond = (row.ours - row.bare) / size
    return f"{case.name}: {beyond:+.2f} of one {what} ({size / 2**20:,.0f} MiB) beyond the bare loop.\n"


def text(rows: dict[str, Row], notes: str, runs: dict[str, Row], seconds: float) -> str:
    """Both tables, with what they say."""
    only = (f" --only='{ONLY.value}'" if ONLY.value else "") + ("" if PROCESSES.value else " --noprocesses")
    header = "objective, ours, bare loop, ratio, target, met"
    parts = [
        f"# Memory of a training step\n\nWritten by `python benchmarks/memory.py{only}` in {seconds / 60:.0f} minutes: "
        f"ResNet-18 (ScatteringNet for scat_sim_clr), {SIZE.value} pixels, batch {BATCH.value}, float32. The command's "
        "own text says what the bare loop is.\n",
        "## By XLA's account of the compiled step (JAX)\n",
        markdown(header, (row.cells() for row in rows.values())),
        notes,
    ]
    if runs:
        parts += [
            f"## By the peak of a process (TensorFlow, {machine()})\n",
            markdown(header, (row.cells() for row in runs.values())),
        ]
    return "\n".join(parts)


def main(_: list[str]) -> None:
    start = time.perf_counter()
    chosen = [case for case in cases() if re.search(ONLY.value, case.name)]
    rows: dict[str, Row] = {}
    runs: dict[str, Row] = {}
    output = Path(OUTPUT.value)
    output.parent.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        ordered = {case.name: rows[case.name] for case in chosen if case.name in rows}
        notes = "".join(copies(case, rows[case.name]) for case in chosen if case.name in rows)
        output.write_text(text(ordered, notes, runs, time.perf_counter() - start), encoding="utf-8")

    def work(case: Case, core: int) -> None:
        rows[case.name] = measured(compiled, case)
        write()

    on_all_cores(work, ((case,) for case in chosen))
    for case in chosen:  # one after the other: they need the memory
        if PROCESSES.value and (case.large is not None or case.name in _RUN):
            runs[case.name] = measured(processes, case)
            write()


if __name__ == "__main__":
    app.run(main)
