"""Which classes the nearest neighbors tell apart: the confusion matrix, and every class by itself."""

from typing import Any

import numpy as np

from keras_ssl.evaluation.validation import is_labeled
from keras_ssl.report.figure import draw
from keras_ssl.report.markup import Markup, element, section, sentence
from keras_ssl.report.part import Part

_LISTED = 25  # of more classes the picture has no names and numbers, and the table lists the worst
_LETTERS = 20


def classes_section(train: Part, test: Part | None, predicted: np.ndarray | None, k: int) -> Markup:
    """The confusion matrix beside the accuracy of each class.

    Args:
        train: the part that votes.
        test: the part that is classified, or None.
        predicted: the class of each of its samples by vote, or None where there are no labels.
        k: the number of neighbors that voted.
    """
    title = "Classes"
    if test is None or test.labels is None or train.labels is None or predicted is None:
        return section("classes", title, sentence("There is no confusion matrix: it needs labels and a test part."))
    known = is_labeled(test.labels)
    train_labels = train.labels[is_labeled(train.labels)]
    classes = np.unique(np.concatenate([train_labels, test.labels[known]]))
    matrix = confusion(classes, test.labels[known], predicted[known])
    right, recall = int(np.trace(matrix)), np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
    balanced = float(recall[matrix.any(axis=1)].mean())
    table, left_out = _table(classes, matrix, train_labels)
    side = float(np.clip(1.6 + 0.33 * len(classes), 2.6, 5.6))
    picture = draw(
        "confusion",
        "Confusion matrix of the nearest neighbors: true class by row, predicted class by column",
        (side, side),
        lambda figure: _paint(figure, classes, matrix),
    )
    neighbors = "the nearest neighbor" if k == 1 else f"the {k} nearest neighbors"
    return section(
        "classes",
        title,
        sentence(
            f"By the vote of {neighbors}: {right:,} of {int(known.sum()):,} right, {balanced:.1%} in the mean over "
            f"classes. Row: the true class, column: the voted one; shade: share of the row.{left_out}"
        ),
        element("div", picture, table, class_="beside"),
    )


def confusion(classes: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts `[classes, classes]`: how often a class (row) was taken for which (column); `classes` are sorted."""
    matrix = np.zeros((len(classes), len(classes)), int)
    np.add.at(matrix, (np.searchsorted(classes, truth), np.searchsorted(classes, predicted)), 1)
    return matrix


def _table(classes: np.ndarray, matrix: np.ndarray, train_labels: np.ndarray) -> tuple[Markup, str]:
    """The rows of the classes, and a word on those that were left out."""
    counts = matrix.sum(axis=1)
    accuracies = np.diag(matrix) / np.maximum(counts, 1)
    order: Any = range(len(classes))
    word = ""
    if len(classes) > _LISTED:
        tested = np.flatnonzero(counts)
        order = tested[np.argsort(accuracies[tested], kind="stable")][:_LISTED]
        word = f" Listed are the {_LISTED} worst of {len(classes)} classes."
    head = element("tr", *(element("th", text) for text in ("class", "train", "test", "right", "", "mostly taken for")))
    rows = [
        element(
            "tr",
            element("th", classes[row], scope="row"),
            element("td", f"{int(np.sum(train_labels == classes[row])):,}", class_="number"),
            element("td", f"{counts[row]:,}", class_="number"),
            *_accuracy_cells(counts[row], accuracies[row]),
            element("td", _rival(classes, matrix[row], row)),
        )
        for row in order
    ]
    return element("table", element("thead", head), element("tbody", *rows), class_="classes"), word


def _accuracy_cells(count: int, accuracy: float) -> tuple[Markup, Markup]:
    if not count:
        return element("td", "not tested", class_="number"), element("td")
    bar = element("i", class_="bar", style=f"width:{accuracy:.1%}")
    return element("td", f"{accuracy:.1%}", class_="number", data_accuracy=float(accuracy)), element("td", bar)


def _rival(classes: np.ndarray, counts: np.ndarray, row: int) -> str:
    """The class that a class is taken for most often, and how often."""
    others = np.where(np.arange(len(classes)) == row, 0, counts)
    most = int(others.argmax())
    return f"{classes[most]} ({others[most]:,})" if others[most] else ""


def _paint(figure: Any, classes: np.ndarray, matrix: np.ndarray) -> None:
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()
    if len(classes) > _LISTED:
        return
    names = [name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…" for name in map(str, classes)]
    upright = max(map(len, names)) <= 3
    axes.set_xticks(range(len(classes)), names, rotation=0 if upright else 60, ha="center" if upright else "left")
    axes.set_yticks(range(len(classes)), names)
    axes.tick_params(length=0)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            color = "white" if shares[row, column] > 0.5 else "#223"
            axes.text(column, row, str(count), color=color, ha="center", va="center", fontsize=7)
