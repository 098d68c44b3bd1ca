"""Measures what METHODS.md says of every method: `python benchmarks/methods.py`, then `make methods`.

Every `zoo/recipes/*_digits.toml` trains for the same number of epochs, so on the same number of images, by several
seeds, each run in a process of its own on one core. Results are kept by configuration: only what changed is run again.
TensorFlow backend.
"""

import json
import platform
import resource
import time
from pathlib import Path
from typing import Any

from _runs import ROOT, key_of, on_all_cores, rounded, run_apart
from absl import app, flags

OUTPUT = flags.DEFINE_string("output", "benchmarks/results/methods.json", "Results, read and written.")
ONLY = flags.DEFINE_list("only", None, "Names of the methods to measure; all where not given.")
EPOCHS = flags.DEFINE_integer("epochs", 30, "Passes over the 6,000 training images.", lower_bound=1)
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each method.", lower_bound=1)
WORKER = flags.DEFINE_string("worker", None, "Internal: the recipe to train in this process, as TOML.")

Results = dict[str, Any]


def methods() -> list[str]:
    """Names of the methods: `NAME_digits` is a recipe."""
    names = [path.stem.removesuffix("_digits") for path in (ROOT / "zoo" / "recipes").glob("*_digits.toml")]
    return sorted(names)


# One run, in a process of its own --------------------------------------------------------------------------------


def train(text: str) -> None:
    """Trains by a recipe and prints what came of it, as JSON."""
    import tomllib

    import keras
    import numpy as np

    import keras_ssl
    from keras_ssl import evaluation

    class EpochSeconds(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._start = time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.process_time() - self._start)

    recipe = keras_ssl.Recipe(tomllib.loads(text))
    training = recipe.sections["training"]
    x, y = keras_ssl.data.colored_digits("train", size=16)
    x_test, y_test = keras_ssl.data.colored_digits("test", size=16)

    def scores(features: Any) -> dict[str, float]:
        arguments = (features(x), y, features(x_test), y_test)
        return {"knn": evaluation.knn_accuracy(*arguments), "linear": evaluation.linear_probe(*arguments)}

    model = recipe.build_model()
    untrained = scores(lambda images: evaluation.extract_features(model, images))
    data, steps = (
        {"x": {"x": x, "y": y, "group": y}, "batch_size": training["batch_size"]},
        len(x) // training["batch_size"],
    )
    if "labels" in recipe.sections["data"]:  # few of them, in a fixed share of every batch
        data = {"x": recipe.build_data()[0]}
        steps = len(data["x"])
    model.compile(recipe.build_optimizer(steps), jit_compile=False)
    clock = EpochSeconds()
    model.fit(**data, epochs=training["epochs"], verbose=0, callbacks=[clock])
    print(
        json.dumps(
            {
                **scores(lambda images: evaluation.extract_features(model, images)),
                "rankme": evaluation.rankme(evaluation.extract_features(model, x_test)),
                "untrained": untrained,
                "raw_pixels": scores(lambda images: images.reshape(len(images), -1) / np.float32(255)),
                "images_per_cpu_second": steps * training["batch_size"] / np.median(clock.seconds),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


# All of it -------------------------------------------------------------------------------------------------------


def main(_: list[str]) -> None:
    if WORKER.value is not None:
        train(WORKER.value)
        return
    import keras_ssl

    path = Path(OUTPUT.value)
    results: Results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results |= {"epochs": EPOCHS.value, "machine": f"one core of {platform.machine()}"}
    table = results.setdefault("methods", {})
    for gone in set(table) - set(methods()):
        del table[gone]

    def write() -> None:
        results["methods"] = dict(sorted(table.items()))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")

    def run(name: str, seed: int, core: int) -> None:
        recipe = keras_ssl.Recipe.read(f"{name}_digits")
        recipe = recipe.override(f"training.epochs={EPOCHS.value}", f"training.seed={seed}")
        key = key_of(recipe.text(), keras_ssl.__version__)
        entry = table[name]
        entry["objective"] = recipe.sections["objective"]["name"]
        if entry["runs"].get(str(seed), {}).get("key") == key:
            return
        entry["runs"][str(seed)] = {"key": key} | rounded(run_apart(__file__, recipe.text(), core))
        print(name, seed, entry["runs"][str(seed)], flush=True)
        write()

    names = ONLY.value or methods()
    for name in names:  # here, because the runs below write what they find while others go on
        table.setdefault(name, {"runs": {}})
    # Seed by seed, so that a table that is interrupted has all methods.
    on_all_cores(run, [(name, seed) for seed in range(SEEDS.value) for name in names])
    write()


if __name__ == "__main__":
    app.run(main)
