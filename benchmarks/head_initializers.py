"""Do the initial weights of the heads matter? `python benchmarks/head_initializers.py --only=simclr,byol --seeds=5`.

The library's heads start from Keras' Glorot weights and biases of 0. Most official implementations start from PyTorch's
`Linear`: kernel and bias uniform in +-1/sqrt(fan_in). Each recipe of the digits trains with both, from one and the same
encoder for each seed, and prints the kNN accuracy of both, the mean of the differences and its standard error.

Results are kept by configuration after every run: an interrupted table goes on where it stopped. TensorFlow backend.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _runs import ROOT, key_of, on_all_cores, rounded, run_apart
from absl import app, flags

OUTPUT = flags.DEFINE_string("output", "benchmarks/results/head_initializers.json", "Results, read and written.")
ONLY = flags.DEFINE_list("only", None, "Names of the methods to measure; all where not given.")
EPOCHS = flags.DEFINE_integer("epochs", 30, "Passes over the training images.", lower_bound=1)
SEEDS = flags.DEFINE_integer("seeds", 5, "Pairs of runs of each method.", lower_bound=1)
IMAGES = flags.DEFINE_integer("images", 6000, "Training images.", lower_bound=2)
WORKER = flags.DEFINE_string("worker", None, "Internal: the job of this process, as JSON.")

KINDS = ("glorot", "fan_in")


def fan_in_weights(model: Any, seed: int) -> int:
    """Gives every Dense layer of an objective's heads kernel and bias uniform in +-1/sqrt(fan_in).

    Args:
        model: the objective; its encoder is left alone, and a teacher follows at the first `fit`.
        seed: of the draws.

    Returns:
        How many layers were changed.
    """
    import keras

    from keras_ssl.layers import EMATeacher

    def dense_layers(layer: Any) -> list[Any]:
        if layer is model.encoder or isinstance(layer, EMATeacher):
            return []
        own = [layer] if isinstance(layer, keras.layers.Dense) else []
        return own + [found for part in layer._flatten_layers(False, False) for found in dense_layers(part)]

    rng, changed = np.random.default_rng(seed), dense_layers(model)
    for layer in changed:
        bound = layer.kernel.shape[0] ** -0.5
        for weight in layer.weights:
            weight.assign(rng.uniform(-bound, bound, weight.shape).astype("float32"))
    return len(changed)


def train(job: dict[str, Any]) -> None:
    """Trains by a recipe and prints the kNN accuracy and how many layers were changed, as JSON."""
    import tomllib

    import keras_ssl
    from keras_ssl import evaluation

    recipe = keras_ssl.Recipe(tomllib.loads(job["recipe"]))
    training = recipe.sections["training"]
    x, y = keras_ssl.data.colored_digits("train", count=job["images"], size=16)
    x_test, y_test = keras_ssl.data.colored_digits("test", size=16)
    model = recipe.build_model()
    changed = fan_in_weights(model, training["seed"]) if job["kind"] == "fan_in" else 0
    model.compile(recipe.build_optimizer(len(x) // training["batch_size"]))
    arrays = {"x": x, "y": y, "group": y}
    model.fit(arrays, batch_size=training["batch_size"], epochs=training["epochs"], verbose=0)
    features = (evaluation.extract_features(model, images) for images in (x, x_test))
    train_features, test_features = features
    knn = evaluation.knn_accuracy(train_features, y, test_features, y_test)
    print(json.dumps({"knn": float(knn), "changed": changed}))


def summary(runs: dict[str, dict[str, Any]], seeds: Sequence[int]) -> str:
    """A method's line: both accuracies of every seed, the mean difference (fan_in - glorot), its standard error."""
    pairs = [
        [runs[f"{seed}/{kind}"]["knn"] for kind in KINDS] for seed in seeds if all(f"{seed}/{k}" in runs for k in KINDS)
    ]
    if not pairs:
        return "no pair of runs yet"
    differences = np.diff(np.asarray(pairs), axis=1)[:, 0]
    error = differences.std(ddof=1) / len(pairs) ** 0.5 if len(pairs) > 1 else float("nan")
    draws = ", ".join(f"{first:.3f} {second:.3f}" for first, second in pairs)
    return f"{draws}; difference {differences.mean():+.4f}, standard error {error:.4f}"


def main(_: list[str]) -> None:
    if WORKER.value is not None:
        train(json.loads(WORKER.value))
        return
    import keras_ssl

    path = Path(OUTPUT.value)
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found = (recipe.stem.removesuffix("_digits") for recipe in (ROOT / "zoo" / "recipes").glob("*_digits.toml"))
    names = ONLY.value or sorted(found)

    def run(name: str, seed: int, kind: str, core: int) -> None:
        recipe = keras_ssl.Recipe.read(f"{name}_digits")
        recipe = recipe.override(f"training.epochs={EPOCHS.value}", f"training.seed={seed}")
        job = json.dumps({"recipe": recipe.text(), "kind": kind, "images": IMAGES.value})
        key, runs = key_of(job, keras_ssl.__version__), table[name]
        if runs.get(f"{seed}/{kind}", {}).get("key") == key:
            return
        runs[f"{seed}/{kind}"] = {"key": key} | rounded(run_apart(__file__, job, core))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        print(f"{name} {seed} {kind}: {runs[f'{seed}/{kind}']}", flush=True)

    for name in names:
        table.setdefault(name, {})
    on_all_cores(run, [(name, seed, kind) for seed in range(SEEDS.value) for name in names for kind in KINDS])
    print(f"kNN accuracy of {' and '.join(KINDS)} for each seed")
    for name in names:
        print(f"{name}: {summary(table[name], range(SEEDS.value))}")


if __name__ == "__main__":
    app.run(main)
