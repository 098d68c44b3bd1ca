"""The figures of the protocols, with what it takes to get them again."""

import math
from collections.abc import Mapping
from typing import Any

from keras_ssl.report.card_section import versions_text
from keras_ssl.report.markup import Markup, element, section

_MEANING = {
    "train": "samples that the classifiers learn from and the measures are taken on",
    "test": "samples that are tested on",
    "knn": "accuracy of the weighted vote of the nearest neighbors",
    "knn_balanced": "its mean over classes, whatever their sizes",
    "linear": "accuracy of a linear classifier",
    "linear_balanced": "its mean over classes, whatever their sizes",
    "linear_grid": "accuracy of a linear classifier, its regularization chosen on a validation split",
    "linear_grid_regularization": "the one chosen",
    "linear_sgd": "accuracy of a linear classifier by the papers' SGD",
    "knn_ece": "expected calibration error of the neighbors' vote: 0 is the best",
    "linear_ece": "expected calibration error of the linear classifier: 0 is the best",
    "confidence": "mean of the largest probability",
    "accuracy": "share of the samples whose class has it",
    "expected_calibration_error": "mean gap of the two over bins of confidence: 0 is the best",
    "largest_gap": "of a bin",
    "naive_bayes": "accuracy of a Gaussian naive Bayes classifier",
    "nearest_mean": "accuracy of the nearest class mean",
    "ridge": "accuracy of ridge regression on the classes",
    "finetune_1": "accuracy after fine-tuning the whole encoder on 1 % of the labels",
    "finetune_1_scratch": "the same from an untrained encoder",
    "finetune_10": "accuracy after fine-tuning the whole encoder on 10 % of the labels",
    "finetune_10_scratch": "the same from an untrained encoder",
    "finetune_100": "accuracy after fine-tuning the whole encoder on all labels",
    "finetune_100_scratch": "the same from an untrained encoder",
    "few_shot": "accuracy over few-shot episodes, nearest mean",
    "few_shot_interval": "half its 95 % confidence interval",
    "transductive": "accuracy over few-shot episodes, queries classified together",
    "transductive_interval": "half its 95 % confidence interval",
    "map": "mean average precision of retrieval, 1 at best",
    "tolerance": "mean similarity of two samples of a class: 1 where a class has one direction",
    "intrinsic_dimension": "random directions that a linear classifier needs for 90 % of its accuracy",
    "rankme": "effective rank: 1 is collapse, the number of dimensions the most",
    "singular_value_entropy": "logarithm of the effective rank, in nats: 0 is collapse",
    "alpha_req": "decay of the spectrum: good about 1; the higher, the fewer directions rule",
    "nesum": "sum of the eigenvalues over the largest: 1 is collapse, the number of dimensions the most",
    "feature_std": "spread of the normalized features: 0 is collapse, 1 the most",
    "uniformity": "evenness on the sphere: 0 is collapse; the lower, the more even",
    "mean_correlation": "mean correlation of two dimensions, regardless of sign: 1 is collapse",
    "seconds": "that extraction and evaluation took",
    "two_nn": "dimensions in which the features vary locally",
}


def results_section(results: Mapping[str, Any]) -> Markup:
    """A row for each figure; below them the seed, the command and the versions."""
    figures = {name: value for name, value in results.items() if is_figure(value) and name != "seed"}
    rest = {name: value for name, value in results.items() if name not in figures}
    return section("results", "Results", figures_table(figures), element("dl", *map(_remark, rest.items())))


def figures_table(figures: Mapping[str, float]) -> Markup:
    """Figures by name, each with what it means; the exact value is in the attribute `data-value`."""
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element(
                "td",
                shown(name, value),
                class_="number",
                data_name=name,
                data_value=value if math.isfinite(value) else "null",
            ),
            element("td", _MEANING.get(name, "")),
        )
        for name, value in figures.items()
    ]
    return element("table", *rows, class_="figures")


def is_figure(value: Any) -> bool:
    """Whether a result is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(name: str, value: float) -> str:
    """A figure at the precision at which it is read: counts whole, others to four digits."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "not finite"
    if name == "seconds" or abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.4f}" if abs(value) >= 1e-3 else f"{value:.4g}"


def _remark(item: tuple[str, Any]) -> Markup:
    name, value = item
    text = versions_text(value) if isinstance(value, Mapping) else value
    return element("div", element("dt", name), element("dd", text))
