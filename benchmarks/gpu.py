"""Barlow Twins on one GPU, beside PyTorch on the same one: `python benchmarks/gpu.py`, at most eight minutes.

Ours runs on JAX: images as uint8 on the device, views and step in one compiled program. Beside it stand a hand-written
PyTorch loop (`torch.compile`, channels last, fused optimizer) that is handed its views, and lightly's stock pipeline.
All take turns, in bfloat16. PyTorch's environment is made as for `bench.py`, or named by `--torch_python`. The table is
printed, and written to `benchmarks/results/gpu.md`.
"""

import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _tables import last_words, markdown
from absl import app, flags
from environments import Unavailable, own_python, python_of
from side_by_side import Job, Worker

sys.path.insert(0, str(Path(__file__).resolve().parent / "workers"))
from gpu_cases import CASES  # noqa: E402 - of the workers, which must find it too

ROOT = Path(__file__).resolve().parent.parent
ONLY = flags.DEFINE_string("only", "", "Regular expression: the encoders to measure. Default: all.")
MINUTES = flags.DEFINE_float("minutes", 8.0, "No case begins that would end later.", lower_bound=0.0)
ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each case.", lower_bound=1)
SMALL = flags.DEFINE_bool("small", False, "Tiny sizes, on whatever device there is: to see that it works.")
TORCH_PYTHON = flags.DEFINE_string("torch_python", None, "Interpreter with PyTorch, torchvision, timm and lightly.")
OUTPUT = flags.DEFINE_string("output", str(ROOT / "benchmarks" / "results" / "gpu.md"), "File of the table.")

LARGEST_CASE = 100.0  # seconds that a case may take once its processes are ready


@dataclass(frozen=True)
class Contender:
    """Who is measured.

    Args:
        name: in the table.
        factory, options: its job.
        rounds: how often it runs; None is `--rounds`, after a round that does not count.
        target: what ours, from uint8 images, should be times as fast; None for ours itself.
    """

    name: str
    factory: str
    options: dict[str, Any]
    rounds: int | None = None
    target: float | None = None

    @property
    def ours(self) -> bool:
        return self.target is None

    def job(self, encoder: str, ours: Path, torch: Path) -> Job:
        options = self.options | {"encoder": encoder, "small": SMALL.value}
        if not self.ours:
            return Job(torch, self.factory, options, {})
        # PyTorch needs its part of the memory.
        return Job(ours, self.factory, options, {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"})


def contenders(encoder: str) -> list[Contender]:
    """Ours first; the stock pipeline last, which runs once: a round of it takes long."""
    steps = 2 if SMALL.value else 40 if encoder == "resnet18" else 16
    stock = 2 if SMALL.value else 64 if encoder == "resnet18" else 32
    return [
        Contender("keras_ssl, uint8 on the GPU", "gpu_ours:train", {"steps": steps}),
        Contender("PyTorch compiled, views ready", "gpu_torch:compiled", {"steps": steps}, target=1.3),
        Contender("lightly's stock pipeline", "gpu_torch:stock", {"steps": stock}, rounds=1, target=5.0),
    ]


@dataclass(frozen=True)
class Result:
    """What came of a contender.

    Args:
        rates: images per second, round by round.
        answer: what its last round said.
    """

    rates: list[float]
    answer: dict[str, Any]

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def has_gpu() -> bool:
    """Whether there is an NVIDIA GPU."""
    command = shutil.which("nvidia-smi")
    return command is not None and subprocess.run([command, "-L"], capture_output=True, check=False).returncode == 0


def measure(workers: list[tuple[Contender, Worker]]) -> list[Result]:
    """Warms up, which is compiling, at once; then lets all take turns."""
    compilers = [worker for contender, worker in workers if contender.rounds is None]
    for worker in compilers:
        worker.begin()
    for worker in compilers:
        worker.end()
    answers: list[dict[str, Any]] = [{} for _ in workers]
    rates: list[list[float]] = [[] for _ in workers]
    for number in range(ROUNDS.value):
        for place, (contender, worker) in enumerate(workers):
            if number < (contender.rounds or ROUNDS.value):
                answers[place] = worker.round()
                rates[place].append(worker.items / answers[place]["seconds"])
    return [Result(*both) for both in zip(rates, answers, strict=True)]


def rows(encoder: str, found: list[tuple[Contender, Result]], peak: float) -> Iterator[list[str]]:
    """Lines of the table: ours first."""
    first = found[0][1]
    flops = first.answer["flops_per_image"]
    for contender, result in found:
        work = result.rate * flops
        cells = [
            encoder,
            contender.name,
            f"{result.rate:,.0f}",
            f"{work / 1e12:,.1f}",
            f"{100 * work / peak:.1f} %",
            f"{result.answer.get('device_peak_mb', 0.0):,.0f}",
        ]
        if contender.target is None:
            yield [*cells, "", "", ""]
        else:
            ratio = first.rate / result.rate
            yield [*cells, f"{ratio:.2f}", f"{contender.target:g}", "yes" if ratio >= contender.target else "no"]


def not_measured(encoder: str, reason: str) -> list[str]:
    """The line of a case that did not run."""
    return [encoder, f"not measured: {reason}", *[""] * 7]


def table(lines: list[list[str]], device: str, peak: float, seconds: float) -> str:
    """The lines as markdown, with what they were measured on."""
    shown = " ".join(arg for arg in sys.argv[1:] if arg.startswith(("--only", "--small", "--rounds")))
    head = f"{peak / 1e12:,.0f} TFLOP/s" if peak else "not measured"
    parts = [
        f"# Barlow Twins on {device}",
        "",
        f"Written by `python benchmarks/gpu.py{' ' if shown else ''}{shown}` in {seconds / 60:.1f} minutes. bfloat16 "
        "beside float32 weights; an image is both its views. The work is that of convolutions and matrix products "
        "alone, forward once and backward twice as much; the peak it is measured against is that of an 8192 x 8192 x "
        f"8192 product of random bfloat16 numbers on the same card: {head}. Ratio: ours from uint8 images, views "
        "made in the step, to the peer, which is handed its views ready where it says so.",
        "",
        markdown("encoder, who, images/s, TFLOP/s, of the peak, peak MB, ours to it, target, met", lines),
    ]
    return "\n".join(parts)


def peak_rate(torch: Path) -> tuple[float, str]:
    """Floating-point operations a second of a large matrix product, and the device's name."""
    options = {"side": 256, "repeats": 2} if SMALL.value else {}
    with Worker(Job(torch, "gpu_torch:products", options, {})) as worker:
        answers = [worker.round() for _ in range(4)][1:]
        return max(worker.items / answer["seconds"] for answer in answers), str(answers[-1]["device"])


def main(_: list[str]) -> None:
    start = time.perf_counter()
    lines: list[list[str]] = []
    named = [name for name in CASES if re.search(ONLY.value, name)]
    device, peak = "no GPU", 0.0

    def write() -> None:
        Path(OUTPUT.value).parent.mkdir(parents=True, exist_ok=True)
        text = table(lines, device, peak, time.perf_counter() - start)
        Path(OUTPUT.value).write_text(text, encoding="utf-8")

    try:
        if not has_gpu() and not SMALL.value:
            raise Unavailable("no GPU here")
        torch = Path(TORCH_PYTHON.value) if TORCH_PYTHON.value else python_of("lightly")
        peak, device = peak_rate(torch)
    except Unavailable as reason:
        lines = [not_measured(name, str(reason)) for name in named]
        named = []
    with ExitStack() as stack:
        # Imports, models and data of all cases at once: that is what the processor's cores are for.
        ready = {
            name: [
                (contender, stack.enter_context(Worker(contender.job(name, own_python(), torch))))
                for contender in contenders(name)
            ]
            for name in named
        }
        for name, workers in ready.items():
            left = 60 * MINUTES.value - (time.perf_counter() - start)
            if left < (0 if SMALL.value else LARGEST_CASE):
                lines.append(not_measured(name, f"{left:.0f} s were left"))
            else:
                try:
                    found = measure(workers)
                    peers = [contender for contender, _ in workers]
                    lines += rows(name, list(zip(peers, found, strict=True)), peak)
                except RuntimeError as error:
                    lines.append(not_measured(name, last_words(error)))
                    print(error, file=sys.stderr)
            for _, worker in workers:
                worker.close()
            write()
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    write()
    print(Path(OUTPUT.value).read_text(encoding="utf-8"))


if __name__ == "__main__":
    app.run(main)
