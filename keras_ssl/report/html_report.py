"""The page: one HTML file that holds all it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.evaluation import knn_probabilities
from keras_ssl.evaluation.compare_encoders import EncoderComparison
from keras_ssl.evaluation.validation import is_labeled, same_width
from keras_ssl.hub.card import Card
from keras_ssl.losses.numeric import check_integer
from keras_ssl.report.calibration_section import calibration_section
from keras_ssl.report.card_section import card_facts, card_section
from keras_ssl.report.classes_section import classes_section
from keras_ssl.report.comparison_section import comparison_section
from keras_ssl.report.curves_section import curves_section
from keras_ssl.report.figure import check_matplotlib
from keras_ssl.report.map_section import map_section
from keras_ssl.report.markup import Markup, element, joined
from keras_ssl.report.neighbors_section import check_queries, neighbors_section
from keras_ssl.report.page import whole_page
from keras_ssl.report.part import Part
from keras_ssl.report.pseudo_labels_section import pseudo_labels_section, without_classes
from keras_ssl.report.results_section import is_figure, results_section, shown
from keras_ssl.report.spectrum_section import spectrum_section
from keras_ssl.typing import Tensor

_TILES = 5  # figures shown large at the head


def html_report(
    results: Mapping[str, Any],
    train: Part,
    test: Part | None = None,
    *,
    card: Card | None = None,
    history: Mapping[str, Sequence[float | None]] | None = None,
    probabilities: Mapping[str, Tensor] | None = None,
    comparison: Sequence[EncoderComparison] | None = None,
    k: int = 20,
    temperature: float = 0.07,
    queries: Sequence[int] | None = None,
    points: int = 2000,
    seed: int = 0,
) -> str:
    """A page about an encoder: its card, results, curves, spectrum, classes, calibration, a map and nearest
    neighbors.

    The text is a whole HTML file. It holds its pictures, asks for nothing from any network (and forbids the browser
    to), and reads on a screen, light or dark, and in print. Sections that need what is not given say so in a
    sentence. The same arguments give the same text.

    Args:
        results: figures by name, and texts or tables of versions, as `scripts/evaluate.py` writes them; `model` and
            `data` make the title.
        train: features that neighbors are looked for in, and whose spectrum is shown.
        test: features that are classified, mapped and queried. Defaults to `None`: those of `train` are, except that
            nothing is classified.
        card: of the encoder. Defaults to `None`.
        history: lists by name, with a number or None for each epoch (see `read_history`). What
            `keras_ssl.callbacks.PseudoLabelMonitor` has logged of each class is a section of its own. Defaults to
            `None`.
        probabilities: predicted distributions of the test part, by the name of a classifier, whose calibration is shown
            beside that of the neighbors: `[M, K]`, one column for each class of the training part, sorted, such as
            `evaluation.linear_probabilities` gives. Defaults to `None`.
        comparison: rows of `evaluation.compare_encoders`. Defaults to `None`.
        k: number of neighbors that vote, at most as many as there are. Defaults to 20.
        temperature: of their weights (see `knn_predict`). Defaults to 0.07.
        queries: numbers of the samples whose neighbors are shown. Defaults to `None`: some are drawn.
        points: the most samples on the map. Defaults to 2000, for which t-SNE takes about ten seconds.
        seed: of what is drawn, and of t-SNE. Defaults to 0.

    Returns:
        The text of the file, to be written as UTF-8.

    Raises:
        ValueError: if an argument is out of range, the parts have not the same dimension, or only one has labels.
        ImportError: if matplotlib is missing.

    Example:

    ```python
    train, test = (keras_ssl.report.Part(features(x), x, y) for x, y in (train_data, test_data))
    page = keras_ssl.report.html_report({"model": "mine"}, train, test)
    pathlib.Path("report.html").write_text(page, encoding="utf-8")
    ```
    """
    check_matplotlib()
    _check(train, test, k, points, seed, queries)
    mapped = train if test is None else test
    predicted = shares = None
    if test is not None and test.labels is not None:
        voters = np.asarray(train.labels)
        voters = voters[is_labeled(voters)]
        k = min(k, len(voters))
        shares = knn_probabilities(train.features, train.labels, test.features, k, temperature)
        predicted = np.unique(voters)[shares.argmax(axis=1)]
    sections = [
        results_section(results),
        comparison_section(comparison),
        curves_section(None if history is None else without_classes(history)),
        pseudo_labels_section(history),
        spectrum_section(train.features, results),
        classes_section(train, test, predicted, k),
        calibration_section(train, test, {"knn": shares, **(probabilities or {})}),
        map_section(mapped, predicted, points, seed),
        neighbors_section(train, test, predicted, queries, seed),
        None if card is None else card_section(card),
    ]
    return utf8_name(whole_page(_title(results, card), _head(results, card), joined(sections)))


def _check(train: Part, test: Part | None, k: int, points: int, seed: int, queries: Sequence[int] | None) -> None:
    check_integer("k", k, 1)
    check_integer("points", points, 1)
    check_integer("seed", seed, 0)
    if test is not None:
        same_width("train.features", train.features, "test.features", test.features)
        if (train.labels is None) != (test.labels is None):
            raise ValueError(
                "Arguments `train` and `test` must both have labels, or neither. Received: "
                f"train.labels={_given(train.labels)}, test.labels={_given(test.labels)}"
            )
    check_queries(queries, len(train if test is None else test))


def _given(labels: np.ndarray | None) -> str:
    return "None" if labels is None else "array"


def _title(results: Mapping[str, Any], card: Card | None) -> str:
    model = results.get("model", "Encoder" if card is None else card.name)
    return f"{model} on {results['data']}" if "data" in results else str(model)


def _head(results: Mapping[str, Any], card: Card | None) -> Markup:
    """The title, the first figures in large type, and the card's main facts."""
    figures = [(name, value) for name, value in results.items() if is_figure(value) and not _is_side_figure(name)]
    tiles = [
        element("div", element("b", shown(name, value)), element("span", name)) for name, value in figures[:_TILES]
    ]
    return element(
        "header",
        element("h1", _title(results, card)),
        element("p", card.description, class_="lead") if card is not None and card.description else None,
        element("div", *tiles, class_="tiles") if tiles else None,
        None if card is None else card_facts(card),
    )


def _is_side_figure(name: str) -> bool:
    """Whether a figure says how others came about, and not what an encoder is worth."""
    return name in ("train", "test", "seconds", "seed") or name.endswith(("_interval", "_regularization", "_balanced"))
