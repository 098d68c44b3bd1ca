"""Evaluates a pretrained encoder: nearest neighbours, linear probe, effective rank.

    python scripts/evaluate.py --model=saved_models/my_encoder --data=coloured_digits --output=results.json

Prints a markdown table. Data without a test part is split: one image in five is tested on, always the same.
"""

import json
import time
from pathlib import Path
from typing import Any

from _cli import DATA_HELP, no_arguments, user_errors, writable_folder
from absl import app, flags

import keras_ssl
from keras_ssl.callbacks.online_evaluation import labelled_split
from keras_ssl.evaluation import extract_features, knn_accuracy, linear_probe, rankme
from keras_ssl.hub import Card, atomic_file
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.recipe_data import LabelledImages, data_source

_PROTOCOLS = ("knn", "linear", "rankme")

_MODEL = flags.DEFINE_string(
    "model", None, "A name of keras_ssl.list_models(), or the folder of an export.", required=True
)
_DATA = flags.DEFINE_string("data", None, f"{DATA_HELP} Default: what the model was trained on.")
_SIZE = flags.DEFINE_integer(
    "size", None, "Image size, for data that is made or resized. Default: that of training.", lower_bound=1
)
_PROTOCOLS_FLAG = flags.DEFINE_list("protocols", ["knn", "linear"], f"Any of {', '.join(_PROTOCOLS)}.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the results. Default: none.")
_K = flags.DEFINE_integer("k", 20, "Number of neighbours.", lower_bound=1)
_TEMPERATURE = flags.DEFINE_float("temperature", 0.07, "Of the neighbours' weights.", lower_bound=0.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)


def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        unknown = sorted(set(_PROTOCOLS_FLAG.value) - set(_PROTOCOLS))
        if unknown or not _PROTOCOLS_FLAG.value:
            raise ValueError(
                f"--protocols knows {', '.join(_PROTOCOLS)}. Received: --protocols={','.join(_PROTOCOLS_FLAG.value)}"
            )
        if _OUTPUT.value is not None:
            writable_folder("output", Path(_OUTPUT.value).absolute().parent)
        card = find(_MODEL.value).read_card()
        model = keras_ssl.load(_MODEL.value, trainable=False)
        name, images = read_data(card)
        results = evaluate(model, images)
    report = {"model": _MODEL.value, "data": name, **results}
    print(table(report))
    if _OUTPUT.value is not None:
        with atomic_file(_OUTPUT.value) as staging:
            staging.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def read_data(card: Card) -> tuple[str, LabelledImages]:
    """The data of the flags, made or resized as in training where the card tells how."""
    trained_on = dict(card.recipe.get("data", {}))
    name = trained_on.get("name", "coloured_digits") if _DATA.value is None else _DATA.value
    source = data_source(name)
    arguments = {key: value for key, value in trained_on.items() if key in source.known}
    if name != trained_on.get("name"):
        arguments = {}
    if "size" in source.known:
        size = _SIZE.value or arguments.get("size") or card.preprocessing.get("size")
        if size is None:
            raise ValueError("The card does not say the image size of training. Received: --size=None")
        arguments["size"] = size
    return name, source.read(**arguments)


def evaluate(model: Any, images: LabelledImages) -> dict[str, Any]:
    """The protocols' figures, the numbers of images, and the time it took."""
    start = time.perf_counter()
    protocols = _PROTOCOLS_FLAG.value
    labelled = {"knn", "linear"} & set(protocols)
    if images.y is None and labelled:
        raise ValueError(f"--protocols={','.join(sorted(labelled))} needs labels. Received: data without labels")
    if images.y is None:
        results: dict[str, Any] = {"train": len(images.x), "test": 0}
        train = extract_features(model, images.x, _BATCH_SIZE.value)
    else:
        x, y, x_test, y_test = labelled_split(images.x, images.y, images.x_test, images.y_test)
        results = {"train": len(x), "test": len(x_test)}
        train, test = (extract_features(model, part, _BATCH_SIZE.value) for part in (x, x_test))
    if "knn" in protocols:
        results["knn"] = knn_accuracy(train, y, test, y_test, _K.value, _TEMPERATURE.value)
    if "linear" in protocols:
        results["linear"] = linear_probe(train, y, test, y_test)
    if "rankme" in protocols:
        results["rankme"] = rankme(train)
    return {**results, "seconds": round(time.perf_counter() - start, 2)}


def table(report: dict[str, Any]) -> str:
    """One row of a markdown table with its head."""
    cells = {key: f"{value:.4f}" if key in _PROTOCOLS else str(value) for key, value in report.items()}
    rule = ["---" if isinstance(value, str) else "---:" for value in report.values()]
    return "\n".join(f"| {' | '.join(row)} |" for row in (list(cells), rule, list(cells.values())))


if __name__ == "__main__":
    app.run(main)
