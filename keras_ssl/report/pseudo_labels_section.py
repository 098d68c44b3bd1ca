"""How good the pseudo-labels of a semi-supervised run were: each class, at the last look of the run."""

import math
from collections.abc import Mapping, Sequence

from keras_ssl.callbacks.pseudo_label_monitor import class_numbers
from keras_ssl.report.markup import Markup, element, section, sentence

_LISTED = 25  # of more classes the table lists the worst


def pseudo_labels_section(history: Mapping[str, Sequence[float | None]] | None) -> Markup | None:
    """A table of the classes: how many pseudo-labels in use name each, and how many of them are right.

    Args:
        history: what a run logged, with `PseudoLabelMonitor` among its callbacks; or else there is no section.
    """
    found = {
        kind: {c: _last(values) for c, values in rows.items()} for kind, rows in class_numbers(history or {}).items()
    }
    counts = {number: count for number, count in found.get("count", {}).items() if count is not None}
    if not counts:
        return None
    precision = {number: found.get("precision", {}).get(number) for number in counts}
    whole = sum(counts.values())
    order = sorted(counts)
    word = ""
    if len(order) > _LISTED:
        order = sorted(order, key=lambda number: _known(precision[number], -1.0))[:_LISTED]
        word = f" Listed are the {_LISTED} worst of {len(counts)} classes."
    right = sum(count * _known(precision[number], 0.0) for number, count in counts.items())
    overall = f"{right / whole:.1%} of them right" if whole else "none in use"
    rows = [
        element(
            "tr",
            element("th", number, scope="row"),
            element("td", _amount(counts[number]), class_="number"),
            element("td", f"{counts[number] / whole:.1%}" if whole else "", class_="number"),
            *_precision_cells(precision[number]),
        )
        for number in order
    ]
    head = element("tr", *(element("th", text) for text in ("class", "in use", "share", "right", "")))
    return section(
        "pseudo-labels",
        "Pseudo-labels",
        sentence(f"When last looked at: {_amount(whole)} pseudo-labels in use, {overall}.{word}"),
        element("table", element("thead", head), element("tbody", *rows), class_="classes"),
    )


def without_classes(history: Mapping[str, Sequence[float | None]]) -> dict[str, Sequence[float | None]]:
    """The history without the numbers of single classes, which would be a picture each."""
    return {name: values for name, values in history.items() if not class_numbers({name: values})}


def _last(values: Sequence[float | None]) -> float | None:
    """The number of the last epoch that has one; it may be NaN."""
    return next((value for value in reversed(values) if value is not None), None)


def _known(value: float | None, other: float) -> float:
    return other if value is None or math.isnan(value) else value


def _amount(value: float) -> str:
    """A number of pseudo-labels, which is a sum of weights where they have any."""
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 else f"{value:,.1f}"


def _precision_cells(precision: float | None) -> tuple[Markup, Markup]:
    if precision is None or math.isnan(precision):
        return element("td", "none in use", class_="number"), element("td")
    bar = element("i", class_="bar", style=f"width:{precision:.1%}")
    return element("td", f"{precision:.1%}", class_="number"), element("td", bar)
