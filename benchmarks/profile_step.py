"""Where the time of a training step goes, ours and the peer's: `python benchmarks/profile_step.py --case REGEX`.

Each side of a case of `bench.py` runs under its framework's own profiler, by default on one thread, so that the time of
an operation is its own and not that of what runs beside it; of `--rounds` the one that took least is
shown. The notes that came of it are in `benchmarks/NOTES.md`.
"""

import re
from dataclasses import replace

from _tables import markdown
from absl import app, flags
from bench import ROUNDS, step_cases
from side_by_side import Job, Worker

CASE = flags.DEFINE_string("case", "ConvNet, TensorFlow Similarity", "Regular expression: the cases, by name.")
TOP = flags.DEFINE_integer("top", 20, "How many kinds of operation to print.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", 1, "Threads that each side may use.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 2, "Steps of a round.", lower_bound=1)

_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def watched(job: Job) -> Job:
    """The same job under a profiler."""
    options = {
        "profiler": "torch" if job.factory.startswith("lightly") else "tensorflow",
        "factory": job.factory,
        "options": {**job.options, "steps": STEPS.value},
    }
    threads = dict.fromkeys(_THREADS, str(THREADS.value))
    return replace(job, factory="op_times:watched", options=options, environment={**job.environment, **threads})


def report(title: str, job: Job) -> str:
    """A table of the operations that take most of the time, for one step."""
    with Worker(watched(job)) as worker:
        worker.round()  # what is compiled, or first allocated, is not of interest
        said = min((worker.round() for _ in range(ROUNDS.value)), key=lambda answer: answer["cpu"])
    cpu = said["cpu"] / STEPS.value * 1e3
    rows = [(kind, n / STEPS.value, s / STEPS.value * 1e3) for kind, (n, s) in said["operations"].items()]
    rows.sort(key=lambda row: -row[2])
    cells = ([kind, f"{count:g}", f"{ms:.1f}"] for kind, count, ms in rows[: TOP.value])
    table = markdown("operation, times a step, ms a step", cells)
    return f"## {title}: {cpu:,.0f} ms of processor time a step\n\n{table}"


def main(_: list[str]) -> None:
    for case in step_cases():
        if re.search(CASE.value, case.name):
            for side, job in zip(("ours", "peer"), case.jobs(), strict=True):
                print(report(f"{case.name}: {side}", job), flush=True)


if __name__ == "__main__":
    app.run(main)
