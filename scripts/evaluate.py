"""Evaluates a pretrained encoder: classifiers on its features, retrieval, few-shot episodes, measures of rank, and
fine-tuning with a part of the labels.

    python scripts/evaluate.py --model=saved_models/my_encoder --data=coloured_digits --output=results.json

Prints a markdown table with the figures, the seed, the command and the versions; the JSON file holds the same, null
for a figure that is not finite. Data without a test part is split: one image in five is tested on, always the same.
--report=report.html writes a page with the figures, the card, the spectrum, a confusion matrix, a map and nearest
neighbours; --logdir=runs/1 gives it the curves of the training.
"""

import json
import math
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _cli import DATA_HELP, markdown_table, no_arguments, user_errors, writable_folder
from absl import app, flags

import keras_ssl
from keras_ssl import evaluation
from keras_ssl.callbacks.online_evaluation import labelled_split
from keras_ssl.hub import Card, atomic_file
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.recipe_data import LabelledImages, data_source
from keras_ssl.hub.versions import versions
from keras_ssl.report import Part, html_report, read_history
from keras_ssl.report.figure import check_matplotlib
from keras_ssl.report.neighbours_section import check_queries

_MODEL = flags.DEFINE_string(
    "model", None, "A name of keras_ssl.list_models(), or the folder of an export.", required=True
)
_ACCEPT_LICENSE = flags.DEFINE_string(
    "accept_license", None, "The licence of weights that are not for commercial use, such as CC-BY-NC-4.0."
)
_DATA = flags.DEFINE_string("data", None, f"{DATA_HELP} Default: what the model was trained on.")
_SIZE = flags.DEFINE_integer(
    "size", None, "Image size, for data that is made or resized. Default: that of training.", lower_bound=1
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the results. Default: none.")
_REPORT = flags.DEFINE_string("report", None, "HTML file for a report; needs matplotlib. Default: none.")
_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run, for the report's curves. Default: none.")
_QUERY = flags.DEFINE_multi_integer(
    "query",
    None,
    "Number of an image, of the test part where there is one, whose neighbours the report shows; may be repeated. "
    "Default: some are drawn.",
    lower_bound=0,
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_K = flags.DEFINE_integer("k", 20, "Number of neighbours.", lower_bound=1)
_TEMPERATURE = flags.DEFINE_float("temperature", 0.07, "Of the neighbours' weights.", lower_bound=0.0)
_SEED = flags.DEFINE_integer("seed", 0, "Of what protocols draw: episodes, splits, the order of SGD.", lower_bound=0)
_WAYS = flags.DEFINE_integer("ways", 5, "Classes in a few-shot episode.", lower_bound=2)
_SHOTS = flags.DEFINE_integer("shots", 1, "Labelled samples of a class in a few-shot episode.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", None, "Of fine-tuning. Default: 20, or 400 updates.", lower_bound=1)
_FROM_SCRATCH = flags.DEFINE_bool("from_scratch", False, "Whether to fine-tune from new weights too, to compare.")

# Of training features and labels, and of test features and labels.
_LABELLED: dict[str, Callable[[Any, Any, Any, Any], float | dict[str, float]]] = {
    "knn": lambda x, y, z, t: evaluation.knn_accuracy(x, y, z, t, _K.value, _TEMPERATURE.value),
    "linear": evaluation.linear_probe,
    "linear_grid": lambda x, y, z, t: _grid(evaluation.linear_probe_grid(x, y, z, t, seed=_SEED.value)),
    "linear_sgd": lambda x, y, z, t: evaluation.linear_probe_sgd(x, y, z, t, seed=_SEED.value),
    "naive_bayes": lambda x, y, z, t: evaluation.NaiveBayesProbe().fit(x, y).score(z, t),
    "nearest_mean": lambda x, y, z, t: evaluation.NearestMeanClassifier().fit(x, y).score(z, t),
    "ridge": lambda x, y, z, t: evaluation.RecursiveRidge().fit(x, y).score(z, t),
    "few_shot": lambda x, y, z, t: _few_shot("few_shot", z, t, evaluation.NearestMeanClassifier()),
    "transductive": lambda x, y, z, t: _few_shot("transductive", z, t, evaluation.TransductiveFewShot()),
    "retrieval": lambda x, y, z, t: evaluation.retrieval(z, t, ks=[k for k in (1, 5, 10) if k < len(z)]),
    "tolerance": lambda x, y, z, t: evaluation.tolerance(x, y),
    "intrinsic_dimension": lambda x, y, z, t: evaluation.intrinsic_dimension(x, y, z, t, seed=_SEED.value),
}
# Percentages of the labels that the model is fine-tuned with, on the images themselves.
_FINETUNED: dict[str, int] = {
    "finetune_1": 1,
    "finetune_10": 10,
    "finetune_100": 100,
}
# Of the training features alone.
_LABEL_FREE: dict[str, Callable[..., float]] = {
    "rankme": evaluation.rankme,
    "singular_value_entropy": evaluation.singular_value_entropy,
    "alpha_req": evaluation.alpha_req,
    "nesum": evaluation.nesum,
    "feature_std": evaluation.feature_std,
    "uniformity": evaluation.uniformity,
    "mean_correlation": evaluation.mean_correlation,
    "two_nn": evaluation.two_nn,
}
_PROTOCOLS = (*_LABELLED, *_FINETUNED, *_LABEL_FREE)
_PROTOCOLS_FLAG = flags.DEFINE_list("protocols", ["knn", "linear"], f"Any of {', '.join(_PROTOCOLS)}.")


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
        history = prepare_report()
        card = find(_MODEL.value).read_card()
        model = keras_ssl.load(_MODEL.value, trainable=False, accept_license=_ACCEPT_LICENSE.value)
        name, images = read_data(card)
        results, parts = evaluate(model, images)
    report = {
        "model": _MODEL.value,
        "data": name,
        **results,
        "seed": _SEED.value,
        "protocols": ",".join(_PROTOCOLS_FLAG.value),
        "command": shlex.join(["python", *sys.argv]),
        "versions": {**versions(), **_scikit_learn()},
    }
    print(markdown_table([report]))
    if _OUTPUT.value is not None:
        with atomic_file(_OUTPUT.value) as staging:
            staging.write_text(json.dumps(_without_nan(report), indent=2) + "\n", encoding="utf-8")
    if _REPORT.value is not None:
        page = html_report(
            report,
            *parts,
            card=card,
            history=history,
            k=_K.value,
            temperature=_TEMPERATURE.value,
            queries=_QUERY.value,
            seed=_SEED.value,
        )
        with atomic_file(_REPORT.value) as staging:
            staging.write_text(page, encoding="utf-8")


def prepare_report() -> dict[str, list[float | None]] | None:
    """The curves for the report, if there are to be any; an error if the report could not be written later on."""
    if _REPORT.value is None:
        if _LOGDIR.value is not None or _QUERY.value:
            raise ValueError("--logdir and --query are for the report. Received: --report=None")
        return None
    check_matplotlib()
    writable_folder("report", Path(_REPORT.value).absolute().parent)
    return None if _LOGDIR.value is None else read_history(_LOGDIR.value)


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


def evaluate(model: Any, images: LabelledImages) -> tuple[dict[str, Any], list[Part]]:
    """The protocols' figures, the numbers of images and the time it took; and the parts that were evaluated."""
    start = time.perf_counter()
    protocols = _PROTOCOLS_FLAG.value
    labelled = [name for name in protocols if name not in _LABEL_FREE]
    if images.y is None and labelled:
        raise ValueError(f"--protocols={','.join(labelled)} needs labels. Received: data without labels")
    split: tuple[Any, ...] = (images.x, None)
    if images.y is not None:
        split = labelled_split(images.x, images.y, images.x_test, images.y_test)
    check_queries(_QUERY.value, len(split[-2]))
    parts = [
        Part(extract(model, x), x, _named(y, images.classes)) for x, y in zip(split[::2], split[1::2], strict=True)
    ]
    data = [array for part in parts for array in (part.features, part.labels)]
    results: dict[str, Any] = {"train": len(parts[0]), "test": len(parts[1]) if len(parts) > 1 else 0}
    for name in protocols:
        if name in _FINETUNED:
            results.update(_finetuned(name, model, split))
            continue
        value = _LABELLED[name](*data) if name in _LABELLED else _LABEL_FREE[name](data[0])
        results.update(value if isinstance(value, dict) else {name: value})
    return {**results, "seconds": round(time.perf_counter() - start, 2)}, parts


def extract(model: Any, images: Any) -> Any:
    """The features of images, in batches of the flag's size."""
    return evaluation.extract_features(model, images, _BATCH_SIZE.value)


def _named(labels: Any, classes: tuple[str, ...] | None) -> Any:
    """Labels by the names of their classes, where there are any."""
    return labels if labels is None or classes is None else np.asarray(classes)[labels]


def _grid(found: evaluation.LinearProbeGrid) -> dict[str, float]:
    return {"linear_grid": found.accuracy, "linear_grid_regularization": found.regularization}


def _few_shot(name: str, features: Any, labels: Any, classifier: Any) -> dict[str, float]:
    arguments = {"ways": _WAYS.value, "shots": _SHOTS.value, "classifier": classifier, "seed": _SEED.value}
    found = evaluation.few_shot(features, labels, **arguments)
    return {name: found.accuracy, f"{name}_interval": found.interval}


def _finetuned(name: str, model: Any, split: tuple[Any, ...]) -> dict[str, float]:
    x, y, x_test, y_test = split
    found = evaluation.finetune(
        model,
        x,
        y,
        x_test,
        y_test,
        fraction=_FINETUNED[name] / 100,
        from_scratch=_FROM_SCRATCH.value,
        epochs=_EPOCHS.value,
        seed=_SEED.value,
    )
    return {name: found.accuracy} | ({} if found.scratch is None else {f"{name}_scratch": found.scratch})


def _without_nan(report: dict[str, Any]) -> dict[str, Any]:
    """JSON knows neither NaN nor infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in report.items()
    }


def _scikit_learn() -> dict[str, str]:
    """Its version, if a protocol took it."""
    return {"scikit-learn": sys.modules["sklearn"].__version__} if "sklearn" in sys.modules else {}


if __name__ == "__main__":
    app.run(main)
