"""Runs proofs: see the package."""

import importlib
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.proofs._shared import measured

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = flags.DEFINE_string("output", str(ROOT / "benchmarks/results/proofs"), "Folder of results.")
ONLY = flags.DEFINE_list("only", None, "Names of the proofs; all where not given.")
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each.", lower_bound=1)
AGAIN = flags.DEFINE_bool("again", False, "Run seeds that are there once more; each replaces its figures when done.")


def proofs() -> list[str]:
    """The names of all proofs."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def apart(name: str, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """What `measured` gives, in a process of its own: its memory is that of this run alone."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measured, name, seed).result()


def prove(name: str, folder: Path, seeds: int, again: bool = False) -> dict[str, Any]:
    """The figures of a proof by seed and their costs, running the seeds that its file of results lacks, or all."""
    proof = importlib.import_module(f"benchmarks.proofs.{name}")
    path = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found |= {
        "name": proof.NAME,
        "what": " ".join((proof.__doc__ or "").split()),
        "measure": proof.MEASURE,
        "method": proof.METHOD,
        "baseline": proof.BASELINE,
        "lower_is_better": getattr(proof, "LOWER_IS_BETTER", False),
    }
    runs, costs = found.setdefault("runs", {}), found.setdefault("costs", {})
    for seed in range(seeds):
        if again or str(seed) not in runs:
            runs[str(seed)], costs[str(seed)] = apart(name, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def main(_: list[str]) -> None:
    for name in ONLY.value or proofs():
        found = prove(name, Path(OUTPUT.value), SEEDS.value, AGAIN.value)
        print(f"{name}: {found['what']}")
        runs = list(found["runs"].values())
        for key in dict.fromkeys(key for run in runs for key in run):
            values = [run[key] for run in runs if key in run]  # an earlier version may have had fewer figures
            print(f"  {key:28s} {np.mean(values):.4f} ± {np.std(values, ddof=1) if len(values) > 1 else 0.0:.4f}")


if __name__ == "__main__":
    app.run(main)
