"""Evaluates a pretrained encoder: classifiers on its features, retrieval, few-shot episodes, measures of rank, and
fine-tuning with a part of the labels.

    keras-ssl evaluate --model=saved_models/my_encoder --data=colored_digits --output=results.json

Prints a markdown table with the figures, the seed, the command and the versions; the JSON file holds the same, null
for a figure that is not finite. Data without a test part is split: one image in five is tested on, always the same.
Protocols of patches ask what single places of the images know: see `keras_ssl.evaluation.dense_evaluation`. Those of
masks take --data=digit_scenes, or a folder of images with --masks=FOLDER, whose files have the same stems:

    keras-ssl evaluate --model=my_vit --data=photos --masks=masks --size=224 --protocols=knn_segmentation

--against=scratch,untrained,ENTRY adds a table: the same linear head on frozen features, and fine-tuning, with
--fraction of the labels and as many updates for each row, mean and spread over --seeds; scratch and untrained are the
model's network with new weights.

--protocols=robustness attacks the encoder with one perturbation and one patch for all images, and tests a linear
classifier on it, behind the defenses of --defenses. --report=report.html writes a page with the figures, the card, the
spectrum, a confusion matrix, a map and nearest neighbors; --logdir=runs/1 gives it the curves of the training.
"""

import json
import math
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

import keras_ssl
from keras_ssl import evaluation
from keras_ssl.callbacks.online_evaluation import labelled_split
from keras_ssl.callbacks.write_guard import WriteGuard
from keras_ssl.cli.common import DATA_HELP, MAX_DAMAGED_HELP, markdown_table, optional_name, program, user_errors
from keras_ssl.data.load_masks import load_masks
from keras_ssl.evaluation.compare_encoders import (
    BASELINES,
    EncoderComparison,
    compare_encoders,
    comparison_table,
)
from keras_ssl.evaluation.dense.dense_evaluation import DENSE_PROTOCOLS
from keras_ssl.evaluation.robustness_report import ATTACKS, DEFENSES, robustness_report
from keras_ssl.hub import Card, atomic_file
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.recipe_data import LabelledImages, data_source
from keras_ssl.hub.versions import versions
from keras_ssl.messages import say
from keras_ssl.paths import user_path
from keras_ssl.random import permutation
from keras_ssl.report import Part, html_report, read_history
from keras_ssl.report.calibration_section import calibration_figures
from keras_ssl.report.figure import check_matplotlib
from keras_ssl.report.neighbors_section import check_queries
from keras_ssl.workflows.training_run import writable_folder

_MODEL = flags.DEFINE_string(
    "model", None, "A name of keras_ssl.list_models(), or the folder of an export.", required=True
)
_ACCEPT_LICENSE = flags.DEFINE_string(
    "accept_license", None, "The license of weights that are not for commercial use, such as CC-BY-NC-4.0."
)
_DATA = flags.DEFINE_string("data", None, f"{DATA_HELP} Default: what the model was trained on.")
_SIZE = flags.DEFINE_integer(
    "size", None, "Image size, for data that is made or resized. Default: that of training.", lower_bound=1
)
flags.DEFINE_alias("image_size", "size")
_MASKS = flags.DEFINE_string(
    "masks", None, "Folder of masks of the images in the folder --data, of equal stems. Default: none."
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the results. Default: none.")
flags.DEFINE_alias("out", "output")
_REPORT = flags.DEFINE_string("report", None, "HTML file for a report; needs matplotlib. Default: none.")
_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run, for the report's curves. Default: none.")
_QUERY = flags.DEFINE_multi_integer(
    "query",
    None,
    "Number of an image, of the test part where there is one, whose neighbors the report shows; may be repeated. "
    "Default: some are drawn.",
    lower_bound=0,
)
_MAX_DAMAGED = flags.DEFINE_float("max_damaged", None, MAX_DAMAGED_HELP, lower_bound=0.0, upper_bound=1.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images in a batch.", lower_bound=1)
_K = flags.DEFINE_integer("k", 20, "Number of neighbors.", lower_bound=1)
_TEMPERATURE = flags.DEFINE_float("temperature", 0.07, "Of the neighbors' weights.", lower_bound=0.0)
_SEED = flags.DEFINE_integer("seed", 0, "Of what protocols draw: episodes, splits, the order of SGD.", lower_bound=0)
_WAYS = flags.DEFINE_integer("ways", 5, "Classes in a few-shot episode.", lower_bound=2)
_SHOTS = flags.DEFINE_integer("shots", 1, "Labelled samples of a class in a few-shot episode.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", None, "Of fine-tuning. Default: 20, or 400 updates.", lower_bound=1)
_FROM_SCRATCH = flags.DEFINE_bool("from_scratch", False, "Whether to fine-tune from new weights too, to compare.")
_AGAINST = flags.DEFINE_list("against", [], "Of scratch, untrained and names of the zoo: what to compare with.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Of --against: draws of labels and new weights.", lower_bound=1)
_FRACTION = flags.DEFINE_float("fraction", 0.1, "Of --against: share of the labels, up to 1.", lower_bound=0.0)
_ATTACKS = flags.DEFINE_list("attacks", list(ATTACKS), f"Of robustness: any of {', '.join(ATTACKS)}.")
_DEFENSES = flags.DEFINE_list("defenses", ["none"], f"Of robustness: any of {', '.join(DEFENSES)}.")
_EPSILON = flags.DEFINE_float("epsilon", 10 / 255, "Largest change of a pixel in [0, 1].", lower_bound=0.0)

# Of training features and labels, and of test features and labels.
_LABELLED: dict[str, Callable[[Any, Any, Any, Any], float | dict[str, float]]] = {
    "knn": lambda x, y, z, t: _both("knn", t, evaluation.knn_predict(x, y, z, _K.value, _TEMPERATURE.value)),
    "linear": lambda x, y, z, t: _both("linear", t, evaluation.linear_predict(x, y, z)),
    "calibration": lambda x, y, z, t: {
        name: calibration_figures(y, t, shares)["expected_calibration_error"]
        for name, shares in (("knn_ece", _knn_shares(x, y, z)), ("linear_ece", _linear_shares(x, y, z)))
    },
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
_PROTOCOLS = (*_LABELLED, *_FINETUNED, "robustness", *_LABEL_FREE, *DENSE_PROTOCOLS)
_PROTOCOLS_FLAG = flags.DEFINE_list("protocols", ["knn", "linear"], f"Any of {', '.join(_PROTOCOLS)}.")


def main(argv: list[str]) -> None:
    data = optional_name(argv, _DATA.value, "data set")
    with user_errors():
        unknown = sorted(set(_PROTOCOLS_FLAG.value) - set(_PROTOCOLS))
        if unknown or not _PROTOCOLS_FLAG.value:
            raise ValueError(
                f"--protocols knows {', '.join(_PROTOCOLS)}. Received: --protocols={','.join(_PROTOCOLS_FLAG.value)}"
            )
        if _OUTPUT.value is not None:
            writable_folder("output", Path(user_path(_OUTPUT.value)).absolute().parent)
        history = prepare_report()
        card = find(_MODEL.value).read_card()
        model = keras_ssl.load(_MODEL.value, trainable=False, accept_license=_ACCEPT_LICENSE.value)
        name, images = read_data(card, data)
        check_against(images)
        results, parts = evaluate(model, images)
        comparison = compared(model, images)
    report = {
        "model": _MODEL.value,
        "data": name,
        **results,
        "seed": _SEED.value,
        "protocols": ",".join(_PROTOCOLS_FLAG.value),
        "command": shlex.join(
            ["python", *sys.argv] if program().endswith(".py") else [*program().split(), *sys.argv[1:]]
        ),
        "versions": {**versions(), **_scikit_learn()},
    }
    say(markdown_table([report]))
    if comparison:
        say("\n" + markdown_table(comparison_table(comparison)))
    written = {**_without_nan(report), **({"against": [asdict(row) for row in comparison]} if comparison else {})}
    guard = WriteGuard()
    if _OUTPUT.value is not None:
        with guard.writing(_OUTPUT.value) as path, atomic_file(path) as staging:
            staging.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    if _REPORT.value is not None:
        page = html_report(
            report,
            *parts,
            card=card,
            history=history,
            probabilities=probabilities(parts),
            comparison=comparison,
            k=_K.value,
            temperature=_TEMPERATURE.value,
            queries=_QUERY.value,
            seed=_SEED.value,
        )
        with guard.writing(_REPORT.value) as path, atomic_file(path) as staging:
            staging.write_text(page, encoding="utf-8")
    if guard.failing(_OUTPUT.value) or guard.failing(_REPORT.value):
        sys.exit(1)


def prepare_report() -> dict[str, list[float | None]] | None:
    """The curves for the report, if there are to be any; an error if the report could not be written later on."""
    if _REPORT.value is None:
        if _LOGDIR.value is not None or _QUERY.value:
            raise ValueError("--logdir and --query are for the report. Received: --report=None")
        return None
    check_matplotlib()
    writable_folder("report", Path(user_path(_REPORT.value)).absolute().parent)
    return None if _LOGDIR.value is None else read_history(_LOGDIR.value)


def read_data(card: Card, data: str | None) -> tuple[str, LabelledImages]:
    """The data that are named, else those of training, made or resized as in training where the card tells how."""
    trained_on = dict(card.recipe.get("data", {}))
    name = trained_on.get("name", "colored_digits") if data is None else data
    if _MASKS.value is not None:
        x, masks, _ = load_masks(name, _MASKS.value, _SIZE.value)
        return name, LabelledImages(x, masks=masks)
    source = data_source(name)
    arguments = {key: value for key, value in trained_on.items() if key in source.known}
    if name != trained_on.get("name"):
        arguments = {}
    if "size" in source.known:
        size = _SIZE.value or trained_on.get("size") or card.preprocessing.get("size")
        if size is None:
            raise ValueError("The card does not say the image size of training. Received: --size=None")
        arguments["size"] = size
    if _MAX_DAMAGED.value is not None and "max_damaged" in source.known:
        arguments["max_damaged"] = _MAX_DAMAGED.value
    return name, source.read(**arguments)


def evaluate(model: Any, images: LabelledImages) -> tuple[dict[str, Any], list[Part]]:
    """The protocols' figures, the numbers of images and the time it took; and the parts that were evaluated."""
    start = time.perf_counter()
    protocols = _PROTOCOLS_FLAG.value
    labelled = [name for name in protocols if name not in _LABEL_FREE and name not in DENSE_PROTOCOLS]
    patches = [name for name in protocols if name in DENSE_PROTOCOLS]
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
    if patches:
        data_of_places = places_data(images)
        results["test"] = len(data_of_places["x_test"])
        results.update(of_places(model, data_of_places, patches))
    for name in protocols:
        if name in patches:
            continue
        if name in _FINETUNED:
            results.update(_finetuned(name, model, split))
            continue
        if name == "robustness":
            results.update(_robustness(model, split))
            continue
        value = _LABELLED[name](*data) if name in _LABELLED else _LABEL_FREE[name](data[0])
        results.update(value if isinstance(value, dict) else {name: value})
    return {**results, "seconds": round(time.perf_counter() - start, 2)}, parts


def check_against(images: LabelledImages) -> None:
    """Raises, before any work is done, where --against cannot be done."""
    if not _AGAINST.value:
        return
    if images.y is None:
        raise ValueError(f"--against needs labels. Received: --against={','.join(_AGAINST.value)}, data without labels")
    for name in _AGAINST.value:
        if name not in BASELINES:
            find(name).read_card()


def compared(model: Any, images: LabelledImages) -> list[EncoderComparison]:
    """The rows of --against; none where nothing is given."""
    if not _AGAINST.value:
        return []
    models = {_MODEL.value: model}
    for name in _AGAINST.value:
        if name not in BASELINES:
            models[name] = keras_ssl.load(name, trainable=False, accept_license=_ACCEPT_LICENSE.value)
    return compare_encoders(
        models,
        *labelled_split(images.x, images.y, images.x_test, images.y_test),
        baselines=[name for name in _AGAINST.value if name in BASELINES],
        fraction=_FRACTION.value,
        seeds=_SEEDS.value,
        epochs=_EPOCHS.value,
    )


def places_data(images: LabelledImages) -> dict[str, Any]:
    """What `dense_evaluation` takes; without a test part, the samples that `labelled_split` holds out are tested on."""
    if images.x_test is not None:
        names = ("x", "y", "x_test", "y_test", "masks", "masks_test", "objects_test")
        return {name: getattr(images, name) for name in names}
    order = permutation(len(images.x), 0, 0)
    rows = {"": np.sort(order[len(order) // 5 :]), "_test": np.sort(order[: len(order) // 5])}
    if not len(rows["_test"]):
        raise ValueError(f"Data without a test part must hold at least 5 images. Received: {len(order)} images")
    return {
        f"{name}{part}": None if array is None else array[chosen]
        for name, array in (("x", images.x), ("y", images.y), ("masks", images.masks))
        for part, chosen in rows.items()
    }


def of_places(model: Any, data: dict[str, Any], protocols: list[str]) -> dict[str, float]:
    """The figures of the protocols of patches."""
    return evaluation.dense_evaluation(
        model,
        **data,
        protocols=protocols,
        k=_K.value,
        temperature=_TEMPERATURE.value,
        batch_size=_BATCH_SIZE.value,
        seed=_SEED.value,
    )


def probabilities(parts: list[Part]) -> dict[str, Any]:
    """Predicted distributions of the test part that the report shows beside those of the neighbors."""
    if not {"linear", "calibration"} & set(_PROTOCOLS_FLAG.value) or len(parts) < 2 or parts[1].labels is None:
        return {}
    train, test = parts
    return {"linear": _linear_shares(train.features, train.labels, test.features)}


def _knn_shares(x: Any, y: Any, z: Any) -> Any:
    return evaluation.knn_probabilities(x, y, z, _K.value, _TEMPERATURE.value)


def _linear_shares(x: Any, y: Any, z: Any) -> Any:
    return evaluation.linear_probabilities(x, y, z)


def extract(model: Any, images: Any) -> Any:
    """The features of images, in batches of the flag's size."""
    return evaluation.extract_features(model, images, _BATCH_SIZE.value)


def _named(labels: Any, classes: tuple[str, ...] | None) -> Any:
    """Labels by the names of their classes, where there are any."""
    return labels if labels is None or classes is None else np.asarray(classes)[labels]


def _both(name: str, labels: Any, predictions: Any) -> dict[str, float]:
    """Accuracy, and its mean over classes, which shows where rare classes are lost."""
    return {
        name: float(np.mean(predictions == labels)),
        f"{name}_balanced": evaluation.balanced_accuracy(labels, predictions),
    }


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


def _robustness(model: Any, split: tuple[Any, ...]) -> dict[str, float]:
    """Accuracy behind each defense, as it is and under each attack, and the share of predictions that it changes."""
    options: dict[str, Any] = {"attacks": _ATTACKS.value, "defenses": _DEFENSES.value, "epsilon": _EPSILON.value}
    if _EPOCHS.value is not None:
        options["epochs"] = _EPOCHS.value
    found: dict[str, float] = {}
    for row in robustness_report(model, *split, seed=_SEED.value, **options):
        defense = "" if row.defense == "none" else f"_{row.defense}"
        found.setdefault(f"clean{defense}", row.clean)
        found |= {f"attacked_{row.attack}{defense}": row.attacked, f"fooled_{row.attack}{defense}": row.fooled}
    return found


def _without_nan(report: dict[str, Any]) -> dict[str, Any]:
    """JSON knows neither NaN nor infinity."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in report.items()
    }


def _scikit_learn() -> dict[str, str]:
    """Its version, if a protocol took it."""
    return {"scikit-learn": sys.modules["sklearn"].__version__} if "sklearn" in sys.modules else {}
