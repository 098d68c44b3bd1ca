"""Writes METHODS.md from the objectives' docstrings and benchmarks/results/methods.json; `--check` only compares.

The figures in the JSON are written by `python benchmarks/methods.py`, never by hand.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from absl import app, flags

CHECK = flags.DEFINE_bool("check", False, "Fail if METHODS.md is not what would be written.")
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "methods.json"
TARGET = ROOT / "METHODS.md"


def reference(objective: type) -> str:
    """The last paragraph of the docstring, after "Reference:"."""
    return " ".join((inspect.getdoc(objective) or "").split("Reference:")[-1].split()).rstrip(".")


def row(name: str, entry: dict[str, Any] | None, objective: type) -> str:
    if entry is None:
        return f"| {name} | {reference(objective)} | not measured | | | | | | |"
    held = [check for check, holds in entry["checks"].items() if holds]
    missing = [check for check, holds in entry["checks"].items() if not holds]
    conformance = f"all {len(held)}" if not missing else f"{', '.join(held)}; not {', '.join(missing)}"
    learning = entry["learning"]
    return (
        f"| {name} | {reference(objective)} | {conformance} | {learning['untrained_knn']:.3f} | "
        f"{learning['knn']:.3f} | {learning['linear']:.3f} | {learning['rankme']:.1f} | {learning['epochs']} | "
        f"{learning['cpu_seconds']:.0f} |"
    )


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
        "Conformance is `keras_ssl.testing.check_objective`, check by check. Accuracies are of the encoder's features",
        "on the 2,000 test images of `coloured_digits`, after training by `zoo/recipes/*_digits.toml`",
        f"(one seed; {results.get('machine', 'no run yet')}; CPU seconds of training, all cores together).",
        "",
        "| objective | paper | conformance | kNN untrained | kNN | linear | RankMe | epochs | CPU seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    covered = {entry["objective"] for entry in measured.values()}
    for name, entry in measured.items():
        lines.append(row(name, entry, getattr(keras_ssl.objectives, entry["objective"])))
    for name in keras_ssl.objectives.__all__:
        if name not in covered:
            lines.append(row(name, None, getattr(keras_ssl.objectives, name)))
    if "raw_pixels" in results:
        pixels = results["raw_pixels"]
        lines += ["", f"Raw pixels: kNN {pixels['knn']:.3f}, linear {pixels['linear']:.3f}."]
    return "\n".join(lines) + "\n"


def main(_: list[str]) -> None:
    wanted = text()
    if not CHECK.value:
        TARGET.write_text(wanted, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != wanted:
        sys.exit("METHODS.md is not up to date: run `make methods`.")


if __name__ == "__main__":
    app.run(main)
