"""This library beside what a user would pick instead, in one table: `python benchmarks/bench.py`, or `make bench`.

Each case is two processes that take turns on this machine, so the ratio holds where the machine is not idle. Peers are
installed into environments of their own (`environments.py`). The table is written after each case to
`benchmarks/results/<machine>.md`; a case that cannot be measured says why.
"""

import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags
from environments import Unavailable, own_python, python_of
from side_by_side import Comparison, Job, compare

import keras_ssl
from keras_ssl.evaluation import knn_accuracy

ROOT = Path(__file__).resolve().parent.parent
ONLY = flags.DEFINE_string("only", "", "Regular expression: the cases to measure, by name. Default: all.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each short case.", lower_bound=1)
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of the end-to-end case.", lower_bound=1)
EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of each run of the end-to-end case.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", None, "Default: benchmarks/results/<machine>.md")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        case: what was measured.
        ours, peer: the figures, as text with a unit.
        ratio: ours to the peer's; more is better. None where it was not measured.
        target: the least ratio aimed at.
        note: why it was not measured.
    """

    case: str
    ours: str = ""
    peer: str = ""
    ratio: float | None = None
    target: float = 1.0
    note: str = ""

    def cells(self) -> list[str]:
        if self.ratio is None:
            return [self.case, "", "", "", f"{self.target:g}", f"not measured: {self.note}"]
        met = "yes" if self.ratio >= self.target else "no"
        return [self.case, self.ours, self.peer, f"{self.ratio:.2f}", f"{self.target:g}", met]


@dataclass(frozen=True)
class Case:
    """A case of two jobs.

    Args:
        name: what is measured, and against whom.
        factory, options: our job.
        peer: the peer's environment, None where it is our own.
        peer_factory, peer_options: the peer's job; its options are ours where none are given.
        target: the least ratio aimed at.
        unit: of the rates.
    """

    name: str
    factory: str
    options: dict[str, object]
    peer: str | None
    peer_factory: str
    target: float
    unit: str
    peer_options: dict[str, object] | None = None

    def jobs(self) -> tuple[Job, Job]:
        python = own_python() if self.peer is None else python_of(self.peer)
        peer_options = self.options if self.peer_options is None else self.peer_options
        ours = Job(own_python(), self.factory, self.options, {"KERAS_BACKEND": "tensorflow"})
        return ours, Job(python, self.peer_factory, peer_options, {"KERAS_BACKEND": "tensorflow"})

    def rows(self) -> list[Row]:
        result = compare(*self.jobs(), rounds=ROUNDS.value)
        rates = [f"{rate:,.{0 if rate >= 10 else 2}f} {self.unit}" for rate in (result.ours, result.peer)]
        return [Row(self.name, *rates, result.ratio, self.target), *self.memory(result)]

    def memory(self, result: Comparison) -> list[Row]:
        """For the training step beside the bare loop: the peak of each process, ours at most 1.1 of the other."""
        if self.peer is not None or "step" not in self.name:
            return []
        ours, peer = (answer["peak_mb"] for answer in (result.ours_answer, result.peer_answer))
        name = self.name.replace("step", "peak memory")
        return [Row(name, f"{ours:,.0f} MB", f"{peer:,.0f} MB", peer / ours, round(1 / 1.1, 3))]


def views_cases() -> Iterator[Case]:
    sketch = {32: (10.0, 256, False), 96: (4.0, 64, True), 224: (3.0, 16, True)}
    for size, (target, batch_size, blur) in sketch.items():
        options: dict[str, object] = {"size": size, "batch_size": batch_size, "blur": blur}
        for how, factory in (("", "compiled"), (" in tf.data", "in_tf_data")):
            yield Case(
                f"SimCLR's views at {size} pixels{how}, lightly in one process",
                f"keras_ssl_views:{factory}",
                options,
                "lightly",
                "lightly_views:one_process",
                target,
                "views/s",
            )
        yield Case(
            f"SimCLR's views at {size} pixels, lightly with a worker per core",
            "keras_ssl_views:compiled",
            options,
            "lightly",
            "lightly_views:loader",
            1.0,
            "views/s",
        )


def step_cases() -> Iterator[Case]:
    small: dict[str, object] = {
        "encoder": "conv_net",
        "projector": [256, 256],
        "size": 32,
        "batch_size": 256,
        "steps": 10,
    }
    large: dict[str, object] = {
        "encoder": "resnet18",
        "projector": [2048, 2048, 2048],
        "size": 32,
        "batch_size": 128,
        "steps": 1,
    }
    for options, name in ((small, "ConvNet"), (large, "ResNet-18")):
        target = (1 / 1.03, 1.0)
        yield Case(
            f"Barlow Twins step, {name}, a bare loop",
            "keras_ssl_step:fit",
            options,
            None,
            "keras_ssl_step:bare",
            round(target[0], 3),
            "images/s",
        )
        yield Case(
            f"Barlow Twins step, {name}, lightly",
            "keras_ssl_step:fit",
            options,
            "lightly",
            "lightly_step:loop",
            target[1],
            "images/s",
        )
    yield Case(
        "Barlow Twins step, ConvNet, TensorFlow Similarity",
        "keras_ssl_step:fit",
        small,
        "tensorflow_similarity",
        "tensorflow_similarity_step:fit",
        1.2,
        "images/s",
        {key: value for key, value in small.items() if key != "encoder"},
    )


def build_case() -> Case:
    return Case(
        "build ResNet-50, keras.applications",
        "imports:call",
        {"code": "import keras_ssl", "expression": "keras_ssl.encoders.ResNet(50)"},
        None,
        "imports:call",
        round(1 / 1.3, 3),
        "/s",
        {
            "code": "import keras",
            "expression": "keras.applications.ResNet50(weights=None, include_top=False, pooling='avg')",
        },
    )


def import_rows() -> list[Row]:
    """What `import keras_ssl` adds to `import keras`, in processor seconds; the ratio is that of what is allowed."""
    name, allowed = "import keras_ssl, import keras and 0.3 s", 0.3
    ours, peer = (
        Job(own_python(), "imports:process", {"code": code}, {"KERAS_BACKEND": "tensorflow"})
        for code in ("import keras_ssl", "import keras")
    )
    seconds: tuple[list[float], list[float]] = [], []

    def note(answers: list[dict[str, float]]) -> None:
        for found, answer in zip(seconds, answers, strict=True):
            found.append(answer["processor"])

    compare(ours, peer, ROUNDS.value, after_round=note)
    medians = [float(np.median(found)) for found in seconds]
    return [Row(name, f"{medians[0]:.2f} s", f"{medians[1]:.2f} s", (medians[1] + allowed) / medians[0], 1.0)]


def end_to_end() -> list[Row]:
    """Files to features: time, and kNN accuracy after the same number of images seen."""
    name = "files to trained encoder at 32 pixels, lightly with a worker per core"
    python = python_of("lightly")
    with tempfile.TemporaryDirectory() as place:
        folder, held = Path(place) / "images", Path(place) / "held.npz"
        images, labels = keras_ssl.data.coloured_digits("train", size=32)
        test_images, test_labels = keras_ssl.data.coloured_digits("test", size=32)
        write_images(folder, images)
        np.savez(held, train=images, test=test_images)
        count = len(images) // 256 * 256
        options: dict[str, Any] = {
            "folder": str(folder),
            "held": str(held),
            "size": 32,
            "batch_size": 256,
            "epochs": EPOCHS.value,
        }
        outputs = [Path(place) / f"{side}.npz" for side in ("ours", "peer")]
        pair = [
            Job(which, factory, options | {"count": count, "output": str(output)}, {"KERAS_BACKEND": "tensorflow"})
            for which, factory, output in zip(
                (own_python(), python), ("keras_ssl_training:run", "lightly_training:run"), outputs, strict=True
            )
        ]
        accuracies: tuple[list[float], list[float]] = [], []

        def evaluate(_: list[dict[str, float]]) -> None:
            for found, output in zip(accuracies, outputs, strict=True):
                features = np.load(output)
                found.append(knn_accuracy(features["train"], labels, features["test"], test_labels))

        result = compare(pair[0], pair[1], SEEDS.value, warm_up=False, after_round=evaluate)
    rates = [f"{rate:,.0f} images/s" for rate in (result.ours, result.peer)]
    means = [float(np.mean(found)) for found in accuracies]
    spread = [f"{np.mean(found):.3f} ± {np.std(found):.3f}" for found in accuracies]
    return [
        Row(name, *rates, result.ratio, 2.0),
        Row(f"kNN after it, {EPOCHS.value} epochs, {len(accuracies[0])} seeds", *spread, means[0] / means[1], 1.0),
    ]


def write_images(folder: Path, images: np.ndarray) -> None:
    """A folder of PNG files."""
    from PIL import Image

    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:05}.png")


def table(rows: list[Row], seconds: float) -> str:
    """The rows as markdown, with what they were measured on."""
    only = f" --only='{ONLY.value}'" if ONLY.value else ""
    lines = [
        f"# {machine()}",
        "",
        f"Written by `python benchmarks/bench.py{only}` in {seconds / 60:.0f} minutes. Ours and the peer took turns; "
        "rates are medians of rounds, ratios medians of each round's ratio; more is better everywhere.",
        "",
        "| case, peer | ours | peer | ratio | target | met |",
        "|---|---|---|---|---|---|",
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the table is of: processor, cores, Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text())
        model = found.group(1) if found else model
    return f"{model}, {len(os.sched_getaffinity(0))} cores, no GPU used"


def main(_: list[str]) -> None:
    start = time.perf_counter()
    default = ROOT / "benchmarks" / "results" / f"cpu-{len(os.sched_getaffinity(0))}-cores.md"
    output = Path(OUTPUT.value) if OUTPUT.value else default
    named: list[tuple[str, float, Callable[[], list[Row]]]] = [
        (case.name, case.target, case.rows) for case in (build_case(), *views_cases(), *step_cases())
    ]
    named.append(("import keras_ssl", 1.0, import_rows))
    named.append(("files to trained encoder", 2.0, end_to_end))
    rows: list[Row] = []
    for name, target, measure in named:
        if not re.search(ONLY.value, name):
            continue
        try:
            rows += measure()
        except Unavailable as reason:
            rows.append(Row(name, target=target, note=str(reason)))
        print(" | ".join(rows[-1].cells()), flush=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(table(rows, time.perf_counter() - start), encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
