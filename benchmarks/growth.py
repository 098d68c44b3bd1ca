"""How time per image grows with batch, queue, projector and views: `python benchmarks/growth.py`.

A small encoder (two layers, 16 pixels), so that what grows is not hidden behind it, trains on ready-made views at each
size in turn; the fastest of the rounds counts, because what else a machine does only ever slows a round. An exponent is
the slope of the logarithms, with its standard error. Beside it stand the exponent of the operations that the step
holds, counted in its graph at the same sizes, and the one that theory gives for ever larger sizes, which time should
not exceed. Writes `benchmarks/results/growth.md` and `growth.svg`; about 6 minutes on two idle cores.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _runs import ROOT
from _tables import last_words, machine, markdown
from absl import app, flags
from environments import own_python
from side_by_side import Job, Worker

ONLY = flags.DEFINE_string("only", "", "Regular expression: what to let grow, by name. Default: all.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds at every size.", lower_bound=1)
SIZES = flags.DEFINE_integer("sizes", None, "How many sizes, from the smallest. Default: all.", lower_bound=2)
OUTPUT = flags.DEFINE_string(
    "output", str(ROOT / "benchmarks" / "results" / "growth.md"), "The table; beside it the plot."
)


@dataclass(frozen=True)
class Axis:
    """What is let grow.

    Args:
        name: the row's.
        sizes: from the smallest to the largest.
        point: of a size, what the worker is told.
        limit: the exponent in theory, of ever larger sizes.
        why: where it comes from.
    """

    name: str
    sizes: tuple[int, ...]
    point: Callable[[int], dict[str, Any]]
    limit: float
    why: str


@dataclass(frozen=True)
class Growth:
    """What was measured along an axis: seconds and operations per image at each size, or why there is nothing."""

    axis: Axis
    sizes: Sequence[int] = ()
    seconds: Sequence[float] = ()
    operations: Sequence[float] = ()
    note: str = ""

    def cells(self) -> list[str]:
        if self.note:
            return [
                self.axis.name,
                "",
                "",
                "",
                "",
                f"{self.axis.limit:g}: {self.axis.why}",
                f"not measured: {self.note}",
            ]
        slope, error = exponent(self.sizes, self.seconds)
        counted, _ = exponent(self.sizes, self.operations)
        return [
            self.axis.name,
            f"{self.sizes[0]:,} to {self.sizes[-1]:,}",
            " to ".join(f"{1e6 * self.seconds[place]:,.0f} µs" for place in (0, -1)),
            f"{slope:.2f} ± {error:.2f}",
            f"{counted:.2f}",
            f"{self.axis.limit:g}: {self.axis.why}",
            "yes" if slope <= self.axis.limit + 2.0 * error else "no",
        ]


def doubling(first: int, last: int) -> tuple[int, ...]:
    return tuple(first * 2**n for n in range((last // first).bit_length()))


def point(objective: str, views: int = 2, batch_size: int = 256, **arguments: Any) -> dict[str, Any]:
    return {"objective": objective, "arguments": arguments, "views": views, "batch_size": batch_size}


AXES = (
    Axis(
        "batch, Barlow Twins",
        doubling(64, 4096),
        lambda size: point("BarlowTwins", batch_size=size, projector=[256, 256]),
        0.0,
        "a product of fixed width for each image",
    ),
    Axis(
        "batch, SimCLR",
        doubling(64, 4096),
        lambda size: point("SimCLR", batch_size=size, projector=[256, 64]),
        1.0,
        "every image against the whole batch",
    ),
    Axis(
        "queue, MoCo v2",
        doubling(4096, 65536),
        lambda size: point("MoCo", projector=[128, 128], queue_size=size),
        1.0,
        "every image against the whole queue",
    ),
    Axis(
        "projector, Barlow Twins",
        doubling(512, 8192),
        lambda size: point("BarlowTwins", projector=[size, size]),
        2.0,
        "matrices of width by width",
    ),
    Axis(
        "views, multi-view InfoNCE",
        (2, 4, 6, 8, 10),
        lambda size: point("MultiViewInfoNCE", views=size, projector=[256, 64]),
        2.0,
        "every pair of views; 1 while the encoder takes the time",
    ),
)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The slope of log(values) over log(sizes) by least squares, and its standard error (0 for two sizes)."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(values, float))
    x, y = x - x.mean(), y - y.mean()
    square = float(x @ x)
    slope = float(x @ y) / square
    residual = y - slope * x
    return slope, float(np.sqrt(residual @ residual / max(len(x) - 2, 1) / square))


def grow(axis: Axis) -> Growth:
    """Measures along an axis."""
    sizes = axis.sizes[: SIZES.value]
    points = [axis.point(size) for size in sizes]
    job = Job(own_python(), "keras_ssl_growth:steps", {"points": points}, {"KERAS_BACKEND": "tensorflow"})
    with Worker(job) as worker:
        answers = [worker.round() for _ in range(ROUNDS.value)]
    seconds = np.min([answer["seconds_per_image"] for answer in answers], axis=0)
    return Growth(axis, sizes, seconds.tolist(), answers[0]["operations_per_image"])


def draw(found: Sequence[Growth], path: Path) -> None:
    """One panel for each axis: what was measured, the fit, and the operations, from the same first point."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(2.6 * len(found), 2.9), layout="constrained")
        for place, growth in enumerate(found, start=1):
            axes = figure.add_subplot(1, len(found), place)
            sizes = np.asarray(growth.sizes, float)
            micro = 1e6 * np.asarray(growth.seconds)
            counted = np.asarray(growth.operations) / growth.operations[0] * micro[0]
            slope, error = exponent(sizes, micro)
            middle = np.exp(np.log(micro).mean() + slope * (np.log(sizes) - np.log(sizes).mean()))
            axes.loglog(sizes, counted, color="#999999", linestyle=":", label="operations, from the same start")
            axes.loglog(sizes, middle, color="#2a78b8", linewidth=1.0, label=f"slope {slope:.2f} ± {error:.2f}")
            axes.loglog(sizes, micro, "o", color="#2a78b8", markersize=4)
            axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes], rotation=45)
            axes.minorticks_off()
            axes.set_title(growth.axis.name, fontsize=8)
            axes.set_ylabel("µs per image" if place == 1 else "")
            axes.grid(alpha=0.2)
            axes.legend(fontsize=6, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def text(found: Sequence[Growth], plot: str, how: str, seconds: float) -> str:
    header = "what grows, sizes, per image, exponent, of the operations, limit in theory, within it"
    return (
        f"# Growth\n\nWritten by `python benchmarks/growth.py{how}` in {seconds / 60:.0f} minutes on {machine()}, "
        "TensorFlow backend. The command's own text says what is measured; an exponent is within its limit where it "
        "lies no more than two standard errors above.\n\n"
        + markdown(header, (growth.cells() for growth in found))
        + f"\n![Time per image over size]({plot})\n"
    )


def main(_: list[str]) -> None:
    start = time.perf_counter()
    output = Path(OUTPUT.value)
    plot = output.with_suffix(".svg")
    output.parent.mkdir(parents=True, exist_ok=True)
    how = "".join(f" --{flag.name}={flag.value}" for flag in (ONLY, SIZES) if flag.value)
    found: list[Growth] = []
    for axis in AXES:
        if not re.search(ONLY.value, axis.name):
            continue
        try:
            found.append(grow(axis))
        except RuntimeError as error:
            found.append(Growth(axis, note=last_words(error)))
        print(" | ".join(found[-1].cells()), flush=True)
        measured = [growth for growth in found if not growth.note]
        if measured:
            draw(measured, plot)
        output.write_text(text(found, plot.name, how, time.perf_counter() - start), encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
