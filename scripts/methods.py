"""Writes METHODS.md from the objectives' docstrings and the results of benchmarks; `--check` only compares.

The figures are written by `python benchmarks/methods.py` and `python -m benchmarks.proofs`, never by hand.
"""

import inspect
import json
import statistics
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

from absl import app, flags

CHECK = flags.DEFINE_bool("check", False, "Fail if METHODS.md is not what would be written.")
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "methods.json"
PROOFS = ROOT / "benchmarks" / "results" / "proofs"
TARGET = ROOT / "METHODS.md"
RETRIEVAL = ("Recall@1", "mAP", "kNN")


def reference(objective: type) -> str:
    """The last paragraph of the docstring, after "Reference:"."""
    return " ".join((inspect.getdoc(objective) or "").split("Reference:")[-1].split()).rstrip(".")


def spread(runs: list[dict[str, Any]], key: str, digits: int = 3) -> str:
    """Mean and, of several runs, standard deviation."""
    values = [run[key] for run in runs]
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def row(name: str, entry: dict[str, Any] | None) -> str:
    runs = [] if entry is None else list(entry["runs"].values())
    if entry is None or not runs:
        return f"| {name} | | 0 | not measured | | | | |"
    cells = [name, entry["objective"], str(len(runs)), spread(runs, "knn"), spread(runs, "linear")]
    cells += [spread(runs, "rankme", 1), spread(runs, "images_per_cpu_second", 0), spread(runs, "peak_mb", 0)]
    return f"| {' | '.join(cells)} |"


def baselines(measured: dict[str, Any]) -> list[str]:
    """Rows of what needs no training, from the same runs."""
    rows = []
    for key, name in (("raw_pixels", "raw pixels"), ("untrained", "untrained encoder")):
        values = []
        for seed in sorted({seed for entry in measured.values() for seed in entry["runs"]}):
            # What most methods start from: ScatSimCLR has its own encoder, and a random teacher moves its student.
            found = [json.dumps(entry["runs"][seed][key]) for entry in measured.values() if seed in entry["runs"]]
            values.append(json.loads(statistics.mode(found)))
        if all(value == values[0] for value in values):
            values = values[:1]  # what does not depend on the seed
        rows.append(f"| *{name}* | | {len(values)} | {spread(values, 'knn')} | {spread(values, 'linear')} | | | |")
    return rows


def objective_of(recipe: str) -> str:
    """The objective that a recipe on the digits names."""
    path = ROOT / "zoo" / "recipes" / f"{recipe}_digits.toml"
    return str(tomllib.loads(path.read_text(encoding="utf-8")).get("objective", {}).get("name", ""))


def verdict(gains: list[float]) -> str:
    """What the gains over the baseline, one of each seed, say of a method."""
    # Figures have four digits: what is beyond is noise of the subtraction.
    mean = round(statistics.mean(gains), 6)
    if len(gains) < 3:
        sign = "above" if mean > 0 else "not above"
        return f"{sign}, {('one seed', 'two seeds')[len(gains) - 1]}"
    error = round(statistics.stdev(gains) / len(gains) ** 0.5, 6)
    if abs(mean) > 2 * error:
        return "helps" if mean > 0 else "hurts at this size"
    return "above, not clearly" if mean > 0 else "no gain at this size"


def gains(found: dict[str, Any]) -> list[float]:
    """Of each seed, by how much the method is better than its baseline."""
    sign = -1 if found["lower_is_better"] else 1
    return [sign * (run[found["method"]] - run[found["baseline"]]) for run in found["runs"].values()]


def proof_results() -> dict[str, dict[str, Any]]:
    """The results of benchmarks/proofs, by the name of the proof."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(PROOFS.glob("*.json"))}


def proofs() -> list[str]:
    """A row for each result of benchmarks/proofs, with what it says of the method at this size."""
    rows = []
    for name, found in proof_results().items():
        runs = list(found["runs"].values())
        measure = found["measure"] + (" (lower is better)" if found["lower_is_better"] else "")
        cells = [name, found["name"], measure, found["method"], spread(runs, found["method"])]
        cells += [found["baseline"], spread(runs, found["baseline"]), str(len(runs)), verdict(gains(found))]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def mean(values: list[float], digits: int) -> str:
    """Their mean, or nothing where there are none."""
    return f"{statistics.mean(values):.{digits}f}" if values else ""


def costs() -> list[str]:
    """A row for each proof whose runs were timed: mean minutes of a seed, of each setting where known, and memory."""
    rows = []
    for name, found in proof_results().items():
        # Files of before this was recorded have none, or none of their first seeds.
        timed = list(found.get("costs", {}).values())
        cells = [name]
        for setting in (found["method"], found["baseline"]):
            spent = [run["settings"][setting] for run in timed if setting in run.get("settings", {})]
            cells.append(mean([seconds["cpu_s"] / 60 for seconds in spent], 2))
        cells += [mean([run[kind] / 60 for run in timed], 2) for kind in ("cpu_s", "wall_s")]
        cells += [mean([run["peak_mb"] for run in timed], 0), str(len(timed))]
        if timed:
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def students() -> list[str]:
    """A row for each proof whose runs have sizes and speeds of student and teacher: these beside their figures."""
    rows = []
    for name, found in proof_results().items():
        runs = [run for run in found["runs"].values() if "student, images/s" in run]
        if not runs:
            continue
        cells = [name, found["measure"], spread(runs, found["method"]), found["baseline"]]
        for key in (found["baseline"], "Hinton's", "teacher"):
            cells.append(spread(runs, key) if all(key in run for run in runs) else "")
        cells += [f"{runs[0][f'{who}, parameters']:,.0f}" for who in ("student", "teacher")]
        cells += [
            f"{statistics.median(run[f'{who}, images/s'] for run in runs):,.0f}" for who in ("student", "teacher")
        ]
        rows.append(f"| {' | '.join([*cells, str(len(runs))])} |")
    return rows


def retrieval() -> list[str]:
    """A row for each proof whose runs have measures of retrieval, of the setting and of the baseline."""
    rows = []
    for name, found in proof_results().items():
        runs = [run for run in found["runs"].values() if f"mAP, {found['baseline']}" in run]
        cells = [name]
        for setting in (found["method"], found["baseline"]):
            cells += [setting, *(spread(runs, f"{kind}, {setting}") for kind in RETRIEVAL if runs)]
        if runs:
            rows.append(f"| {' | '.join([*cells, str(len(runs))])} |")
    return rows


def machines() -> str:
    """What the times are of."""
    timed = (run for found in proof_results().values() for run in found.get("costs", {}).values())
    return "; ".join(sorted({run["machine"] for run in timed})) or "no machine yet"


def text() -> str:
    import keras_ssl

    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    measured = results.get("methods", {})
    lines = [
        "# Methods",
        "",
        "Written by `make methods` from the objectives' docstrings and `benchmarks/results/methods.json`, which",
        "`python benchmarks/methods.py` writes: do not edit.",
        "",
        *textwrap.wrap(
            "Accuracies are of the encoder's features on the 2,000 test images of `colored_digits`, after training by "
            f"`zoo/recipes/NAME_digits.toml` for {results.get('epochs', '?')} epochs of 6,000 images, without labels "
            "(SupCon: with them): the same encoder for every method (ScatSimCLR: its own), mean and standard deviation "
            "over so many seeds, of initial weights and views. Recipes were chosen on these very images, by hand and "
            "seed 0, so small differences mean nothing. Images per CPU second (each seen in all views) and peak memory "
            f"of the process are of {results.get('machine', '?')}. Every method passes the conformance suite "
            "(`keras_ssl.testing.check_objective`) in `make test` and `make test-long`; "
            "`tests/objectives/test_learning.py` names those that do not learn these data yet.",
            width=120,
        ),
        "",
        "| recipe | objective | seeds | kNN | linear | RankMe | images per CPU s | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    if measured:
        lines += baselines(measured)
    shown = {found["name"] for found in proof_results().values()}
    methods = sorted(path.stem.removesuffix("_digits") for path in (ROOT / "zoo" / "recipes").glob("*_digits.toml"))
    # What a proof shows needs no row here: its kNN accuracy may not be what it is for.
    lines += [row(name, measured.get(name)) for name in methods if name in measured or objective_of(name) not in shown]
    lines += [
        "",
        *textwrap.wrap(
            "What follows is written by `python -m benchmarks.proofs`, a file in `benchmarks/proofs` for each row: a "
            "method against its plain baseline, on data that ship, mean and standard deviation over seeds. From three "
            "seeds on, a method helps where its mean gain is more than two standard errors, and hurts where its mean "
            "loss is; between, it is above, not clearly, or there is no gain at this size. With three seeds this is a "
            "weak test: a method that does nothing is said to help in one of eleven rows, and to hurt in as many. One "
            "or two seeds only show a sign.",
            width=120,
        ),
        "",
        "| proof | method | measure | setting | figure | baseline | figure | seeds | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
        *proofs(),
        "",
        *textwrap.wrap(
            "What a seed of a proof costs: CPU minutes of the setting and of the baseline (blank where the proof does "
            "not tell them apart, or where nothing is trained; the setting that comes first also pays for what is "
            "compiled once), CPU and wall minutes of all its settings with data and evaluation, and the peak of the "
            f"process' memory, TensorFlow's included. Means over the timed seeds, on {machines()}. Proofs that have "
            "not been run since times are kept have no row.",
            width=120,
        ),
        "",
        "| proof | CPU min, setting | CPU min, baseline | CPU min, all | min, all | peak MB | timed seeds |",
        "|---|---|---|---|---|---|---|",
        *costs(),
        "",
        *textwrap.wrap(
            "Students beside their teachers, of the seeds in which sizes and speeds were measured: parameters of what "
            "is used after training, encoder and classifier, and images per second of their forward passes, in turn "
            "in one process, the median of 15 batches of 2,048 on the machine above.",
            width=120,
        ),
        "",
        "| proof | measure | student | baseline | figure | Hinton's | teacher | student's parameters "
        "| teacher's parameters | student, images/s | teacher, images/s | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *students(),
        "",
        *textwrap.wrap(
            "Metric learning: Recall@1 and mean average precision of test samples that each query all others by the "
            "cosine of their features (of equally near ones the first in the data comes first), and accuracy of the "
            "20 nearest neighbors: among the training data, or, for classes that were not trained on, among every "
            "second test sample. Classes are the digits, the two digits of an image, or bins of the label (SupReMix).",
            width=120,
        ),
        "",
        "| proof | setting | Recall@1 | mAP | kNN | baseline | Recall@1 | mAP | kNN | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *retrieval(),
    ]
    lines += ["", "| objective | paper |", "|---|---|"]
    for name in keras_ssl.objectives.__all__:
        lines.append(f"| {name} | {reference(getattr(keras_ssl.objectives, name))} |")
    return "\n".join(lines) + "\n"


def main(_: list[str]) -> None:
    wanted = text()
    if not CHECK.value:
        TARGET.write_text(wanted, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != wanted:
        sys.exit("METHODS.md is not up to date: run `make methods`.")


if __name__ == "__main__":
    app.run(main)
