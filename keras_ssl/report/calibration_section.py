"""Whether the confidence of classifiers on the features can be believed: reliability diagrams."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from keras_ssl.evaluation.calibration.expected_calibration_error import (
    ReliabilityCurve,
    expected_calibration_error,
    reliability_curve,
)
from keras_ssl.evaluation.validation import is_labeled
from keras_ssl.report.figure import ACCENT, INK, draw
from keras_ssl.report.markup import Markup, element, section, sentence
from keras_ssl.report.part import Part
from keras_ssl.report.results_section import figures_table

BINS = 15
_NAMES = {"knn": "the nearest neighbors' vote", "linear": "the linear classifier"}


def calibration_section(train: Part, test: Part | None, probabilities: Mapping[str, Any]) -> Markup:
    """A reliability diagram for each classifier, beside its expected calibration error.

    Args:
        train: the part whose classes the columns are.
        test: the part that is classified, or None.
        probabilities: by the classifier's name, `[M, K]`, one column for each class of the training part, sorted; None
            where it classified nothing.

    Raises:
        ValueError: if distributions are not of the test part and the training classes, or no distributions.
    """
    title = "Calibration"
    given = {name: shares for name, shares in probabilities.items() if shares is not None}
    if test is None or test.labels is None or train.labels is None or not given:
        text = "There is no reliability diagram: it needs labels and a test part."
        return section("calibration", title, sentence(text))
    blocks = [
        sentence(
            f"Samples in {BINS} bins by the largest probability that a classifier gives them (its confidence). On the "
            "diagonal it is right as often as it claims; below, it claims too much. Bars show how many samples a bin "
            "holds."
        )
    ]
    for name, shares in given.items():
        p, y = known_distributions(name, train.labels, test.labels, shares)
        curve = reliability_curve(p, y, BINS)
        what = _NAMES.get(name, name)
        picture = draw(
            f"reliability-{name}", f"Reliability diagram of {what}", (3.4, 3.0), partial(_paint, curve=curve)
        )
        figures = figures_table(calibration_figures(train.labels, test.labels, shares, name))
        blocks.append(element("h3", f"{what[0].upper()}{what[1:]}"))
        blocks.append(element("div", picture, figures, class_="beside"))
    return section("calibration", title, *blocks)


def calibration_figures(train_labels: Any, labels: Any, probabilities: Any, name: str = "") -> dict[str, float]:
    """Confidence, accuracy and their gaps, of the labeled samples; columns as for `calibration_section`."""
    p, y = known_distributions(name, train_labels, labels, probabilities)
    return {
        "confidence": float(p.max(axis=1).mean()),
        "accuracy": float(np.mean(p.argmax(axis=1) == y)),
        "expected_calibration_error": expected_calibration_error(p, y, BINS),
        "largest_gap": expected_calibration_error(p, y, BINS, norm=np.inf),
    }


def known_distributions(name: str, train_labels: Any, labels: Any, probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    """The distributions of the labeled samples and their classes' columns.

    A class that the training part lacks gets a column of zeros: it is always a mistake.
    """
    train_labels, labels = np.asarray(train_labels), np.asarray(labels)
    classes = np.unique(train_labels[is_labeled(train_labels)])
    p, known = np.asarray(probabilities, np.float64), is_labeled(labels)
    if p.shape != (len(labels), len(classes)):
        raise ValueError(
            f"`probabilities` must be [{len(labels)}, {len(classes)}], of the test part and the training classes. "
            f"Received: probabilities[{name!r}].shape={p.shape}"
        )
    p, truth = p[known], labels[known]
    every = np.unique(np.concatenate([classes, truth]))
    every = every if len(every) > 1 else np.concatenate([every, every])  # one class alone: a second that never occurs
    wide = np.zeros((len(p), len(every)))
    wide[:, np.searchsorted(every, classes)] = p
    return wide, np.searchsorted(every, truth)


def _paint(figure: Any, curve: ReliabilityCurve) -> None:
    axes = figure.add_subplot()
    held = curve.samples > 0
    share = curve.samples / curve.samples.sum()
    axes.bar(curve.edges[:-1], share, np.diff(curve.edges), align="edge", color=INK, alpha=0.15, linewidth=0)
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=0.6)
    axes.plot(curve.confidence[held], curve.accuracy[held], "o-", color=ACCENT, markersize=3)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    axes.grid()
