"""This library beside what a user would pick instead, in one table: `python benchmarks/bench.py`, or `make bench`.

Each case is two processes that take turns on this machine, so the ratio holds where the machine is not idle. Peers are
installed into environments of their own (`environments.py`) before anything is measured. The table is written after
each case to `benchmarks/results/<machine>.md`; a case that cannot be measured says why in its row. Every case has its
time, 30 minutes in all: where a machine is slower there are fewer rounds, and what one case leaves is the next one's.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _tables import last_words, machine, markdown
from absl import app, flags
from environments import Unavailable, own_python, python_of
from side_by_side import Comparison, Job, Worker, compare

import keras_ssl
from keras_ssl.evaluation import knn_accuracy

ROOT = Path(__file__).resolve().parent.parent
ONLY = flags.DEFINE_string(
    "only", "", "Regular expression: the cases to measure, by name; their rows are replaced in a table that is there."
)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each short case.", lower_bound=1)
MINUTES = flags.DEFINE_float("minutes", 30.0, "The time for all cases, beside that for installing peers.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of the end-to-end cases.", lower_bound=1)
EPOCHS = flags.DEFINE_integer("epochs", 6, "Epochs of each run that is evaluated.", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", None, "Default: benchmarks/results/<machine>.md")

# TensorFlow takes oneDNN's kernels by default on newer processors only; its own take twice the time (NOTES.md). So
# ours and a peer on TensorFlow get them both.
SETTINGS = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")}


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        case: what was measured.
        ours, peer: the figures, as text with a unit.
        ratio: ours to the peer's; more is better. None where it was not measured.
        target: the least ratio aimed at.
        note: why there are no figures.
    """

    case: str
    ours: str = ""
    peer: str = ""
    ratio: float | None = None
    target: float = 1.0
    note: str = ""

    def cells(self) -> list[str]:
        if self.ratio is None:
            return [self.case, "", "", "", f"{self.target:g}", self.note]
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
        seconds: that it may take on two idle cores.
    """

    name: str
    factory: str
    options: dict[str, object]
    peer: str | None
    peer_factory: str
    target: float
    unit: str
    peer_options: dict[str, object] | None = None
    seconds: float = 45.0

    def jobs(self) -> tuple[Job, Job]:
        python = own_python() if self.peer is None else python_of(self.peer)
        peer_options = self.options if self.peer_options is None else self.peer_options
        ours = Job(own_python(), self.factory, self.options, SETTINGS)
        return ours, Job(python, self.peer_factory, peer_options, SETTINGS)

    def rows(self, seconds: float) -> list[Row]:
        """Its lines, measured in so many seconds."""
        result = compare(*self.jobs(), rounds=ROUNDS.value, seconds=seconds)
        rates = [f"{rate:,.{0 if rate >= 10 else 2}f} {self.unit}" for rate in (result.ours, result.peer)]
        return [Row(self.name, *rates, result.ratio, self.target), *self.memory(result)]

    def memory(self, result: Comparison) -> list[Row]:
        """For the training step beside the bare loop: the peak of each process, ours at most 1.1 of the other."""
        if self.peer is not None or "step" not in self.name:
            return []
        ours, peer = (answer["peak_mb"] for answer in (result.ours_answer, result.peer_answer))
        name = self.name.replace("step", "peak memory")
        return [Row(name, f"{ours:,.0f} MB", f"{peer:,.0f} MB", peer / ours, round(1 / 1.1, 3))]


PEERS = {"solo_learn": "solo_learn_jobs", "stable_pretraining": "stable_pretraining_jobs"}


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
            seconds=50.0,
        )
    for peer, factory in PEERS.items():
        yield Case(
            f"SimCLR's views at 32 pixels, {peer} in one process",
            "keras_ssl_views:compiled",
            {"size": 32, "batch_size": 256, "blur": False},
            peer,
            f"{factory}:views",
            10.0,
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
    for options, name, seconds in ((small, "ConvNet", 60.0), (large, "ResNet-18", 115.0)):
        target = (1 / 1.03, 1.0)
        yield Case(
            f"Barlow Twins step, {name}, a bare loop",
            "keras_ssl_step:fit",
            options,
            None,
            "keras_ssl_step:bare",
            round(target[0], 3),
            "images/s",
            seconds=seconds,
        )
        yield Case(
            f"Barlow Twins step, {name}, lightly",
            "keras_ssl_step:fit",
            options,
            "lightly",
            "lightly_step:loop",
            target[1],
            "images/s",
            seconds=seconds,
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
        seconds=60.0,
    )
    for peer, factory in PEERS.items():
        yield Case(
            f"Barlow Twins step, ConvNet, {peer}",
            "keras_ssl_step:fit",
            small,
            peer,
            f"{factory}:step",
            1.0,
            "images/s",
            seconds=60.0,
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


def import_rows(seconds: float) -> list[Row]:
    """What `import keras_ssl` adds to `import keras`, in processor seconds, beside what is allowed."""
    allowed, found = 0.3, []
    job = Job(own_python(), "imports:added", {"first": "import keras", "then": "import keras_ssl"}, SETTINGS)
    start = time.perf_counter()
    with Worker(job, seconds) as worker:
        worker.round()  # writes the compiled files
        while len(found) < ROUNDS.value and (not found or time.perf_counter() - start < seconds / 2):
            found.append(worker.round()["processor"])
    median = float(np.median(found))
    return [
        Row("import keras_ssl after keras, what is allowed", f"{median:.2f} s", f"{allowed} s", allowed / median, 1.0)
    ]


# Of one epoch of the 6,000 embedded digits half would be compiling, of five it is a tenth or two.
TIMED_EPOCHS = 5


def end_to_end(
    size: int, batch_size: int, epochs: int, seconds: float, evaluated: bool
) -> tuple[Comparison, list[list[float]]]:
    """Runs of SimCLR on the embedded digits, from files to features: their times and, where `evaluated`, ours and the
    peer's kNN accuracies, a run each."""
    start = time.perf_counter()
    python = python_of("lightly")
    with tempfile.TemporaryDirectory() as place:
        folder, held = Path(place) / "images", Path(place) / "held.npz"
        images, labels = keras_ssl.data.colored_digits("train", size=size)
        test_images, test_labels = keras_ssl.data.colored_digits("test", size=size)
        write_images(folder, images)
        np.savez(held, train=images, test=test_images)
        options: dict[str, Any] = {
            "folder": str(folder),
            "held": str(held),
            "size": size,
            "batch_size": batch_size,
            "epochs": epochs,
            "count": len(images) // batch_size * batch_size,
        }
        outputs = [Path(place) / f"{side}.npz" for side in ("ours", "peer")]
        pair = [
            Job(which, factory, options | {"output": str(output)}, SETTINGS)
            for which, factory, output in zip(
                (own_python(), python), ("keras_ssl_training:run", "lightly_training:run"), outputs, strict=True
            )
        ]
        accuracies: list[list[float]] = [[], []]

        def evaluate(_: list[dict[str, float]]) -> None:
            for found, output in zip(accuracies, outputs, strict=True):
                features = np.load(output)
                found.append(knn_accuracy(features["train"], labels, features["test"], test_labels))

        seconds -= time.perf_counter() - start
        after_round = evaluate if evaluated else None
        return compare(*pair, SEEDS.value, warm_up=False, after_round=after_round, seconds=seconds), accuracies


def training_rows(seconds: float) -> list[Row]:
    """Files to features at 32 pixels: how long it takes."""
    name = f"files to trained encoder at 32 pixels, {TIMED_EPOCHS} epochs, lightly with a worker per core"
    result, _ = end_to_end(32, 256, TIMED_EPOCHS, seconds, evaluated=False)
    return [Row(name, *(f"{rate:,.0f} images/s" for rate in (result.ours, result.peer)), result.ratio, 2.0)]


def accuracy_rows(seconds: float) -> list[Row]:
    """What the features are worth after as many images have been seen."""
    _, accuracies = end_to_end(16, 128, EPOCHS.value, seconds, evaluated=True)
    means = [float(np.mean(found)) for found in accuracies]
    spread = [f"{np.mean(found):.3f} ± {np.std(found):.3f}" for found in accuracies]
    name = f"kNN after SimCLR on 16 pixels, {EPOCHS.value} epochs, {len(accuracies[0])} seeds, lightly"
    return [Row(name, *spread, means[0] / means[1], 1.0)]


def write_images(folder: Path, images: np.ndarray) -> None:
    """A folder of PNG files."""
    from PIL import Image

    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:05}.png")


def table(rows: list[Row], seconds: float) -> str:
    """The rows as markdown, with what they were measured on."""
    return (
        f"# {machine()}\n\nWritten by `{command()}` in {seconds / 60:.0f} minutes. Ours and the "
        "peer took turns; rates are medians of rounds, ratios medians of each round's ratio; more is better "
        f"everywhere. TF_ENABLE_ONEDNN_OPTS={SETTINGS['TF_ENABLE_ONEDNN_OPTS']} wherever TensorFlow runs.\n\n"
        + markdown("case, ours, peer, ratio, target, met", (row.cells() for row in rows))
    )


def command() -> str:
    return "python benchmarks/bench.py" + (f" --only='{ONLY.value}'" if ONLY.value else "")


def with_rows(whole: str, rows: list[Row], seconds: float) -> str:
    """A table of all cases with the rows of those that were measured again, and a line that says so."""
    lines = whole.rstrip().splitlines()
    for line in markdown("", (row.cells() for row in rows)).splitlines()[2:]:
        case = line[: line.index(" | ", 2) + 3]
        places = [place for place, old in enumerate(lines) if old.startswith(case)]
        if places:
            lines[places[0]] = line
        else:
            lines.insert(max(place for place, old in enumerate(lines) if old.startswith("| ")) + 1, line)
    again = f"Measured again, in {seconds / 60:.0f} minutes: the rows of `{command()}`."
    return "\n".join([*lines, "", again, ""])


@dataclass(frozen=True)
class Entry:
    """A case of any kind.

    Args:
        name: what its rows are called, should it fail.
        target: the least ratio aimed at.
        seconds: that it may take on two idle cores.
        peer: the environment that it needs, None where it is our own.
        measure: measures it in so many seconds.
    """

    name: str
    target: float
    seconds: float
    peer: str | None
    measure: Callable[[float], list[Row]]


def entries() -> list[Entry]:
    """All cases, in the order of the table."""
    cases = (build_case(), *views_cases(), *step_cases())
    return [
        *(Entry(case.name, case.target, case.seconds, case.peer, case.rows) for case in cases),
        Entry("import keras_ssl", 1.0, 25.0, None, import_rows),
        Entry("files to trained encoder", 2.0, 210.0, "lightly", training_rows),
        Entry("kNN after SimCLR", 1.0, 470.0, "lightly", accuracy_rows),
    ]


def measured(entry: Entry, seconds: float) -> list[Row]:
    """The rows of a case; where it fails, one that says why."""
    try:
        return entry.measure(seconds)
    except Unavailable as reason:
        note = str(reason)
    except Exception as error:  # whatever it is, the other cases have a table to fill
        note = f"not measured: {last_words(error)}"
    return [Row(entry.name, target=entry.target, note=note)]


def main(_: list[str]) -> None:
    default = ROOT / "benchmarks" / "results" / f"cpu-{len(os.sched_getaffinity(0))}-cores.md"
    output = Path(OUTPUT.value) if OUTPUT.value else default
    output.parent.mkdir(parents=True, exist_ok=True)
    chosen = [entry for entry in entries() if re.search(ONLY.value, entry.name)]
    for peer in sorted({entry.peer for entry in chosen if entry.peer}):
        with suppress(Unavailable):  # its rows will say so
            python_of(peer)
    whole = output.read_text(encoding="utf-8") if ONLY.value and output.is_file() else ""
    start = time.perf_counter()
    stretch = 60.0 * MINUTES.value / sum(entry.seconds for entry in entries())
    rows: list[Row] = []
    due = 0.0  # when the case ought to be done, if all before it took all of their time
    for entry in chosen:
        due += stretch * entry.seconds
        found = measured(entry, due - (time.perf_counter() - start))
        rows += found
        for row in found:
            print(" | ".join(row.cells()), flush=True)
        seconds = time.perf_counter() - start
        text = with_rows(whole, rows, seconds) if whole else table(rows, seconds)
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
