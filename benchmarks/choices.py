"""Measures what methods learn as they come, and by `for_data`: `python -m benchmarks.choices` writes results/choices.*.

Three small data sets (digits, shapes, tiles: see `_choices_data.py`), in several numbers of images. A row is a method;
it holds the kNN accuracy on 1,000 test images of

- the untrained encoder: a ConvNet, or for methods that work on tokens the small ViT that `pretrain` takes;
- `Method(encoder)` with the class's defaults, which are its paper's, compiled with "adam";
- `Method.for_data(encoder, images)`,

after the same number of updates of equal batches, and the CPU minutes that each training took. A run that exceeds
--run_minutes of CPU is stopped, and its cell says after how many updates.

A run is kept in choices.json under its method; what is there already is not run again. --only, --sets, --images and
--settings narrow what is run. --publish writes keras_ssl/workflows/best_methods.json, which `keras_ssl.pretrain` reads:
for each number of images, of the methods that were measured on all sets, the one with the best mean accuracy by
`for_data`. Any backend.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks._choices_data import SETS
from benchmarks._tables import machine, markdown

ROOT = Path(__file__).resolve().parent
ONLY = flags.DEFINE_list("only", ["BYOL", "BarlowTwins", "DCLW", "LeJEPA", "SimCLR", "VICReg"], "Methods to run.")
SETS_FLAG = flags.DEFINE_list("sets", list(SETS), "Data sets to run.")
IMAGES = flags.DEFINE_list("images", ["300", "3000", "30000"], "Numbers of training images.")
SETTINGS = flags.DEFINE_list("settings", ["for_data", "defaults"], "What to run of each method.")
UPDATES = flags.DEFINE_integer("updates", 1000, "Of the optimizer, of every run.", lower_bound=1)
SEEDS = flags.DEFINE_integer("seeds", 1, "Runs of each row.", lower_bound=1)
RUN_MINUTES = flags.DEFINE_float("run_minutes", 3.0, "CPU minutes after which a run is stopped.", lower_bound=0.0)
MINUTES = flags.DEFINE_float("minutes", float("inf"), "No run begins after so many minutes.", lower_bound=0.0)
PUBLISH = flags.DEFINE_bool("publish", False, "Write the file of best methods.")
OUTPUT = flags.DEFINE_string("output", str(ROOT / "results" / "choices.json"), "Results, read and written.")

BEST = ROOT.parent / "keras_ssl" / "workflows" / "best_methods.json"
_TEST = 1000

Run = dict[str, Any]


def plan(methods: list[str], sets: list[str], images: list[int], settings: list[str], seeds: int) -> Iterator[Run]:
    """Every run, seed by seed: with one seed the table has all rows."""
    for seed in range(seeds):
        for count in images:
            for data in sets:
                for how in settings:
                    for name in methods:
                        yield {"method": name, "set": data, "images": count, "settings": how, "seed": seed}


def measured(run: Run, updates: int, most_minutes: float) -> Run:
    """The run with its figures."""
    import keras

    from keras_ssl.evaluation import extract_features, knn_accuracy
    from keras_ssl.registry import find
    from keras_ssl.workflows.training_length import batches_of, chosen_batch_size

    keras.backend.clear_session()
    keras.utils.set_random_seed(run["seed"])
    x, y, x_test, y_test = SETS[run["set"]](run["images"], _TEST, run["seed"])
    kind = find("objective", run["method"]).target  # type: ignore[union-attr]  # its name was checked
    encoder = encoder_for(run["method"], x.shape[1])
    batch_size = chosen_batch_size(len(x), cpu=True)
    epochs = max(round(updates / (batches_of(len(x), batch_size) or 1)), 1)
    common: dict[str, Any] = {"seed": run["seed"]}
    if run["settings"] == "for_data":
        model = kind.for_data(encoder, x, batch_size=batch_size, epochs=epochs, **common)
    else:
        needed = {"dataset_size": len(x)} if "index" in kind.fields else {}
        model = kind(encoder, **needed, **common)
        model.compile("adam")

    def accuracy() -> float:
        return knn_accuracy(extract_features(model, x), y, extract_features(model, x_test), y_test)

    untrained, begin = accuracy(), time.process_time()

    def stop(batch: int, logs: Any = None) -> None:
        if time.process_time() - begin > 60 * most_minutes:
            model.stop_training = True
            raise _TooLong

    try:
        model.fit(
            x,
            batch_size=batch_size,
            epochs=epochs,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)],
        )
    except _TooLong:
        pass
    minutes = (time.process_time() - begin) / 60
    made = int(keras.ops.convert_to_numpy(model.updates))
    planned = epochs * (batches_of(len(x), batch_size) or 1)
    figures = {"knn": round(accuracy(), 4), "untrained": round(untrained, 4), "cpu_minutes": round(minutes, 2)}
    return {**run, **figures, "updates": made, "planned": planned}


class _TooLong(Exception):
    """A run has used its time."""


def encoder_for(method: str, size: int) -> Any:
    """A ConvNet, or a vision transformer for a method of tokens: four layers, 8 x 8 patches at most."""
    import keras_ssl
    from keras_ssl.registry import find

    entry = find("objective", method)
    if entry is None or not (entry.target.needs_tokens or entry.family == "masked"):
        return keras_ssl.encoders.ConvNet()
    patch = 4 if size <= 32 else 8
    return keras_ssl.encoders.ViT("Ti", patch_size=patch, image_size=size, pooling="mean", width=96, depth=4, heads=4)


def key_of(run: Run) -> tuple[Any, ...]:
    """What names a run."""
    return run["set"], run["images"], run["settings"], run["seed"]


def cell(runs: list[Run], figure: str = "knn") -> str:
    """Mean and spread in % of some runs, their number where there are several, and of a run cut short its updates."""
    if not runs:
        return "not run"
    values = [100 * run[figure] for run in runs]
    spread = f" ± {np.std(values, ddof=1):.1f} ({len(values)})" if len(values) > 1 else ""
    cut = min(run["updates"] / run["planned"] for run in runs)
    return f"{np.mean(values):.1f}{spread}" + (f", {cut:.0%} of the updates" if cut < 1 and figure == "knn" else "")


def table(results: dict[str, Any]) -> str:
    """The document: for each number of images a table, a row for each method and set."""
    text = (
        "# What methods learn as they come, and by `for_data`\n\n"
        "kNN accuracy in % on 1,000 test images of the features of a ConvNet, of methods of tokens a small ViT: "
        "untrained, trained by "
        '`Method(encoder)` with the defaults of the class, compiled with "adam", and trained by '
        f"`Method.for_data(encoder, images)`; {results['updates']} updates each, in batches of at most 128. "
        f"{results['machine']}. Made by `python -m benchmarks.choices`; what was not run says so.\n"
    )
    methods = results["methods"]
    counts = sorted({run["images"] for runs in methods.values() for run in runs})
    for count in counts:
        lines = []
        for name, runs in sorted(methods.items()):
            for data in SETS:
                here = [run for run in runs if run["images"] == count and run["set"] == data]
                if not here:
                    continue
                kinds = [[run for run in here if run["settings"] == how] for how in ("defaults", "for_data")]
                minutes = [f"{np.mean([run['cpu_minutes'] for run in kind]):.2f}" if kind else "" for kind in kinds]
                before = list({run["seed"]: run for run in here}.values())
                lines.append([name, data, cell(before, "untrained"), *map(cell, kinds), " / ".join(minutes)])
        header = ["method", "set", "untrained", "class defaults", "for_data", "CPU minutes, defaults / for_data"]
        text += f"\n## {count:,} images\n\n" + markdown(header, lines)
    best = best_rows(results)
    if best:
        text += "\n## What `pretrain` takes\n\n" + markdown(
            ["images", "method", "mean kNN over the sets"],
            [[f"{row['images']:,}", row["method"], f"{100 * row['knn']:.1f}"] for row in best],
        )
    return text


def best_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """For each number of images, the method with the best mean over the sets, of those measured on all of them."""
    found: dict[int, list[tuple[float, str]]] = {}
    for name, runs in results["methods"].items():
        for count in {run["images"] for run in runs}:
            here = [run for run in runs if run["images"] == count and run["settings"] == "for_data"]
            by_set = [[run["knn"] for run in here if run["set"] == data] for data in SETS]
            if all(by_set):
                found.setdefault(count, []).append((float(np.mean([np.mean(values) for values in by_set])), name))
    return [
        {"images": count, "method": max(found[count])[1], "knn": round(max(found[count])[0], 4)}
        for count in sorted(found)
    ]


def main(_: list[str]) -> None:
    from keras_ssl.registry import names

    images = [int(count) for count in IMAGES.value]
    for flag, known in (
        (ONLY, names("objective")),
        (SETS_FLAG, list(SETS)),
        (SETTINGS, ["for_data", "defaults"]),
    ):
        unknown = sorted(set(flag.value) - set(known))
        if unknown:
            raise ValueError(f"--{flag.name} knows {', '.join(known)}. Received: --{flag.name}={','.join(unknown)}")
    path = Path(OUTPUT.value)
    fresh: dict[str, Any] = {"updates": UPDATES.value, "machine": machine(), "methods": {}}
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else fresh
    begin = time.monotonic()
    for run in plan(ONLY.value, SETS_FLAG.value, images, SETTINGS.value, SEEDS.value):
        known_runs = results["methods"].setdefault(run["method"], [])
        if key_of(run) in map(key_of, known_runs):
            continue
        if results["updates"] != UPDATES.value:
            raise ValueError(
                f"--updates must be that of the results that are there already, {results['updates']}, or --output "
                f"another file. Received: --updates={UPDATES.value}"
            )
        if time.monotonic() - begin > 60 * MINUTES.value:
            print("The time is over; the same command goes on.")
            break
        found = measured(run, UPDATES.value, RUN_MINUTES.value)
        known_runs.append({key: value for key, value in found.items() if key != "method"})
        print(found, flush=True)
        _write(path, results)
    _write(path, results)
    if PUBLISH.value:
        note = "Written by `python -m benchmarks.choices --publish`; do not edit."
        BEST.write_text(json.dumps({"note": note, "rows": best_rows(results)}, indent=2) + "\n", encoding="utf-8")


def _write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    results["methods"] = {name: runs for name, runs in sorted(results["methods"].items()) if runs}
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
