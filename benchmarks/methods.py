"""Measures what METHODS.md says of every objective: `python benchmarks/methods.py`, then `make methods`.

Each objective goes through the conformance suite, check by check, and trains by its `*_digits` recipe. Results are kept
by configuration: only what changed is run again. TensorFlow backend; it starts JAX itself.
"""

import hashlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import keras
from absl import app, flags

import keras_ssl
from keras_ssl import evaluation
from keras_ssl.testing import check_objectives
from keras_ssl.testing.check_objective import CHECKS, ConformanceError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.objectives.tiny import OBJECTIVES  # noqa: E402  the same small models as the tests'

OUTPUT = flags.DEFINE_string("output", "benchmarks/results/methods.json", "Results, read and written.")
ONLY = flags.DEFINE_list("only", None, "Names of the methods to measure; all where not given.")

RECIPES = {
    "BarlowTwins": ("barlow_twins_digits", ()),
    "SimCLR": ("simclr_digits", ()),
    "BYOL": ("byol_digits", ()),
    "MoCo-v2": ("moco_digits", ()),
    "MoCo-v3": ("mocov3_digits", ()),
}

Features = tuple[Any, Any, Any, Any]


def conformance(name: str) -> dict[str, bool]:
    held = {}
    for check in CHECKS:
        try:
            check_objectives({name: OBJECTIVES[name]}, checks=[check])
            held[check] = True
        except ConformanceError as error:
            print(error)
            held[check] = False
    return held


def digits() -> Features:
    return (*keras_ssl.data.coloured_digits("train", size=16), *keras_ssl.data.coloured_digits("test", size=16))


def scores(model: keras.Model, data: Features) -> tuple[float, float, float]:
    train, test = (evaluation.extract_features(model, images) for images in (data[0], data[2]))
    arguments = (train, data[1], test, data[3])
    return evaluation.knn_accuracy(*arguments), evaluation.linear_probe(*arguments), evaluation.rankme(test)


def learning(recipe: keras_ssl.Recipe, data: Features) -> dict[str, Any]:
    training = recipe.sections["training"]
    model = recipe.build_model()
    untrained = scores(model, data)[0]
    model.compile(recipe.build_optimizer(len(data[0]) // training["batch_size"]), jit_compile=False)
    start = time.process_time()
    model.fit(data[0], batch_size=training["batch_size"], epochs=training["epochs"], verbose=0)
    seconds = time.process_time() - start
    knn, linear, rank = scores(model, data)
    return {
        "untrained_knn": round(untrained, 4),
        "knn": round(knn, 4),
        "linear": round(linear, 4),
        "rankme": round(rank, 2),
        "epochs": training["epochs"],
        "cpu_seconds": round(seconds, 1),
    }


def main(_: list[str]) -> None:
    path = Path(OUTPUT.value)
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"methods": {}}
    data = digits()
    pixels = [images.reshape(len(images), -1) / 255.0 for images in (data[0], data[2])]
    arguments = (pixels[0], data[1], pixels[1], data[3])
    results["machine"] = f"{os.cpu_count()} CPU cores, {platform.machine()}, Keras {keras.version()}"
    results["raw_pixels"] = {
        "knn": round(evaluation.knn_accuracy(*arguments), 4),
        "linear": round(evaluation.linear_probe(*arguments), 4),
    }
    for name in ONLY.value or RECIPES:
        recipe_name, settings = RECIPES[name]
        recipe = keras_ssl.Recipe.read(recipe_name).override(*settings)
        key = hashlib.sha256((recipe.text() + keras_ssl.__version__).encode()).hexdigest()[:16]
        entry = results["methods"].get(name, {})
        if entry.get("key") != key:
            entry = {"key": key, "objective": recipe.sections["objective"]["name"], "checks": conformance(name)}
            entry["learning"] = learning(recipe, data)
            print(name, entry["learning"], flush=True)
            results["methods"][name] = entry
            path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    results["methods"] = {name: results["methods"][name] for name in RECIPES if name in results["methods"]}
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
