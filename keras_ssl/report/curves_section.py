"""The curves of the training: a small picture for everything that was logged in every epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ssl.report.figure import ACCENT, draw
from keras_ssl.report.markup import Markup, section, sentence
from keras_ssl.report.results_section import shown

_COLUMNS = 3


def curves_section(history: Mapping[str, Sequence[float | None]] | None) -> Markup:
    """One small picture for each name, the last value in its title; None is an epoch without one."""
    curves = {name: points for name, values in (history or {}).items() if len(points := _points(values))}
    if not curves:
        return section("curves", "Training", sentence("There are no curves: the log of the run was not given."))
    rows = -(-len(curves) // _COLUMNS)
    epochs = int(max(points[-1, 0] for points in curves.values()))
    picture = draw(
        "curves",
        f"Curves of the training: {', '.join(curves)}",
        (10.75, 0.3 + 1.75 * rows),
        lambda figure: _paint(figure, rows, curves),
    )
    broken = [name for name, points in curves.items() if not np.isfinite(points).all()]
    return section(
        "curves",
        "Training",
        sentence(f"By epoch, of {epochs}; in the title the last value."),
        picture,
        sentence(f"Not finite in some epochs: {', '.join(broken)}.") if broken else None,
    )


def _points(values: Sequence[float | None]) -> np.ndarray:
    """The numbers of the epochs, from 1, that have a value, and the values, `[points, 2]`."""
    points = [(epoch, value) for epoch, value in enumerate(values, start=1) if value is not None]
    return np.array(points, np.float64).reshape(-1, 2)


def _paint(figure: Any, rows: int, curves: Mapping[str, np.ndarray]) -> None:
    for place, (name, points) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        # A single epoch is a point: a line would not be seen.
        axes.plot(*points.T, color=ACCENT, marker="o" if len(points) == 1 else None)
        axes.set_title(f"{name}   {shown(name, float(points[-1, 1]))}", loc="left")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid()
