"""A map of the features: PCA and t-SNE side by side, with the images where the pointer is."""

from typing import Any

import numpy as np

from keras_ssl.evaluation.validation import l2_normalized
from keras_ssl.report.figure import ACCENT, class_colors, draw
from keras_ssl.report.markup import Markup, element, json_block, section, sentence
from keras_ssl.report.part import Part
from keras_ssl.report.project import by_pca, by_tsne
from keras_ssl.report.thumbnails import data_uri, sprite, thumbnails

_LEGEND = 20  # classes beyond this are told by the pointer alone
_EDGE = 1.04  # half the width of a map, whose points lie within 1 of its middle


def map_section(part: Part, predicted: np.ndarray | None, points: int, seed: int) -> Markup:
    """Both maps of the same samples.

    Args:
        part: what is shown.
        predicted: the class by vote of each of its samples, or None.
        points: the most samples to show; where there are more, so many are drawn.
        seed: of that draw and of t-SNE.
    """
    rows = _chosen(len(part), points, seed)
    features = l2_normalized(part.features[rows])
    places, shares = by_pca(features, seed)
    maps = {f"PCA: {shares[0]:.0%} and {shares[1]:.0%} of the variance": places}
    arranged = by_tsne(features, seed)
    if arranged is not None:
        maps["t-SNE"] = arranged
    classes, colors = None, ACCENT
    if part.labels is not None:
        classes, numbers = np.unique(part.labels, return_inverse=True)
        colors = np.asarray(class_colors(len(classes)))[numbers[rows]]
    squares = {title: within_square(places) for title, places in maps.items()}
    pictures = thumbnails(part.images, rows)
    sheet, columns = sprite(pictures) if pictures else (None, 0)
    tile = pictures[0].size if pictures else None
    seen = "the sample's image" if pictures else "the sample"
    drawn = f" {len(rows):,} of them are shown, drawn with seed {seed}." if len(rows) < len(part) else ""
    return section(
        "map",
        "Map",
        sentence(
            f"{len(part):,} features, normalized to length 1 as for the nearest neighbors.{drawn} "
            f"Under the pointer: {seen}; the ring marks it in every map."
            f"{'' if arranged is not None else ' There are too few samples for t-SNE.'}"
        ),
        None if classes is None else _legend(classes),
        element("div", *(_map(title, square, colors) for title, square in squares.items()), class_="maps"),
        _tip(sheet),
        json_block(
            "map-data",
            {
                "maps": [_fractions(square) for square in squares.values()],
                "texts": _texts(part.labels, rows, predicted),
                "tile": tile,
                "columns": columns,
            },
        ),
    )


def within_square(places: np.ndarray) -> np.ndarray:
    """Points moved and scaled, both axes alike, to just fit between -1 and 1."""
    low, high = places.min(axis=0), places.max(axis=0)
    half = float((high - low).max()) / 2
    return (places - (low + high) / 2) / (half or 1.0)


def _chosen(count: int, points: int, seed: int) -> np.ndarray:
    if count <= points:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:points])


def _map(title: str, square: np.ndarray, colors: Any) -> Markup:
    def paint(figure: Any) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-_EDGE, _EDGE)
        axes.set_ylim(-_EDGE, _EDGE)
        axes.scatter(*square.T, s=11, c=colors, alpha=0.75, linewidths=0, clip_on=False)

    name = title.split(":")[0]
    plane = element("div", draw(f"map-{name}", f"Map of the features by {name}", (5, 5), paint), class_="plane")
    return element("figure", plane, element("figcaption", title), class_="map")


def _legend(classes: np.ndarray) -> Markup:
    if len(classes) > _LEGEND:
        return sentence(f"The {len(classes)} classes are colored in their order; the pointer tells their names.")
    chips = [
        element("span", element("i", style=f"background:{color}"), name)
        for name, color in zip(classes, class_colors(len(classes)), strict=True)
    ]
    return element("p", *chips, class_="legend")


def _tip(sheet: Any) -> Markup:
    """What appears beside the pointer; its picture is a place in one picture of all."""
    address = None if sheet is None else f"background-image:url({data_uri(sheet)})"
    return element("div", element("i", class_="thumb", style=address), element("span"), id="tip", hidden="")


def _fractions(square: np.ndarray) -> list[list[float]]:
    """Points as fractions of the map from its upper left."""
    return np.round((square * (1, -1) + _EDGE) / (2 * _EDGE), 4).tolist()


def _texts(labels: np.ndarray | None, rows: np.ndarray, predicted: np.ndarray | None) -> list[str]:
    """What the pointer says of each sample."""
    texts = [f"no. {row}" for row in rows]
    if labels is not None:
        texts = [f"{labels[row]}\n{text}" for row, text in zip(rows, texts, strict=True)]
    if predicted is not None:
        texts = [f"{text}\nvoted {predicted[row]}" for row, text in zip(rows, texts, strict=True)]
    return texts
