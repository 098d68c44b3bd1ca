"""Samples beside those whose features are nearest to theirs."""

from collections.abc import Sequence

import numpy as np

from keras_ssl.evaluation.find_neighbors import find_neighbors
from keras_ssl.evaluation.validation import is_labeled
from keras_ssl.losses.numeric import check_integer
from keras_ssl.report.markup import Markup, element, section, sentence
from keras_ssl.report.part import Part
from keras_ssl.report.thumbnails import data_uri, thumbnails
from keras_ssl.report.tile import tile

_SHOWN = 10  # neighbors of a query
_DRAWN = 8  # queries drawn where none are chosen
_MISTAKES = 4  # and further ones that were classified wrongly


def neighbors_section(
    train: Part, test: Part | None, predicted: np.ndarray | None, queries: Sequence[int] | None, seed: int
) -> Markup:
    """A strip for each query: itself, then its neighbors from the nearest on, marked where there are labels.

    Args:
        train: where neighbors are looked for.
        test: where queries come from, or None: they come from `train`, and are no neighbors of themselves.
        predicted: the class by vote of each sample of `test`, or None.
        queries: their numbers, or None: some are drawn, and of those classified wrongly some more.
        seed: of the draw.
    """
    source = train if test is None else test
    groups = _groups(len(source), None if test is None else test.labels, predicted, queries, seed)
    near, nearest = _search(train, source, np.concatenate(list(groups.values())).astype(int), test is None)
    strips, start = [], 0
    for title, rows in groups.items():
        stop = start + len(rows)
        if len(rows):
            strips.append(element("h3", title))
            strips.append(_strips(train, source, rows, near[start:stop], nearest[start:stop]))
        start = stop
    if not nearest.shape[1]:
        return section("neighbors", "Nearest neighbors", sentence("There are none: the data hold one sample."))
    marks = "" if source.labels is None else " ✓ marks a neighbor of the query's class, ✗ one of another."
    return section(
        "neighbors",
        "Nearest neighbors",
        sentence(f"The query at the left; its neighbors by cosine similarity, which stands below them.{marks}"),
        *strips,
    )


def check_queries(queries: Sequence[int] | None, count: int) -> None:
    """Raises if a number of `queries` is none of `count` samples."""
    for query in queries or ():
        if check_integer("queries", query, 0) >= count:
            raise ValueError(f"`queries` must be numbers below {count}. Received: queries={list(queries or ())}")


def _groups(
    count: int, truth: np.ndarray | None, predicted: np.ndarray | None, queries: Sequence[int] | None, seed: int
) -> dict[str, np.ndarray]:
    """Numbers of queries under the heading that says how they were chosen."""
    if queries is not None:
        return {"Chosen": np.asarray(queries, int)}
    generator = np.random.default_rng(seed)
    groups = {f"Drawn with seed {seed}": np.sort(generator.permutation(count)[:_DRAWN])}
    if truth is not None and predicted is not None:
        wrong = np.flatnonzero((truth != predicted) & is_labeled(truth))
        groups["Of those voted wrongly"] = np.sort(generator.permutation(wrong)[:_MISTAKES])
    return groups


def _search(train: Part, source: Part, rows: np.ndarray, among_themselves: bool) -> tuple[np.ndarray, np.ndarray]:
    """Similarities and numbers of the neighbors, nearest first, both `[queries, at most 10]`."""
    found = min(_SHOWN + among_themselves, len(train))
    near, nearest = find_neighbors(source.features[rows], train.features, found)
    if not among_themselves:
        return near, nearest
    # A query need not be its own nearest: copies of it tie. Where it is not found at all, the last one goes.
    own = nearest == rows[:, np.newaxis]
    own[~own.any(axis=1), -1] = True
    return near[~own].reshape(len(rows), found - 1), nearest[~own].reshape(len(rows), found - 1)


def _strips(train: Part, source: Part, rows: np.ndarray, near: np.ndarray, nearest: np.ndarray) -> Markup:
    pictures = [data_uri(picture) for picture in thumbnails(source.images, rows)]
    neighbors = [data_uri(picture) for picture in thumbnails(train.images, nearest.ravel())]
    known, source_known = (() if part.labels is None else is_labeled(part.labels) for part in (train, source))
    strips = []
    for line, row in enumerate(rows):
        label = None if source.labels is None else source.labels[row]
        tiles = [tile(f"no. {row}", label, pictures[line] if pictures else None, "query")]
        for place, number in enumerate(nearest[line]):
            name = None if train.labels is None else train.labels[number]
            unknown = name is None or not (known[number] and source_known[row])
            kind = "" if unknown else "right" if name == label else "wrong"
            picture = neighbors[line * len(nearest[line]) + place] if neighbors else None
            tiles.append(tile(f"{near[line, place]:.3f}", name, picture, kind))
        strips.append(element("div", *tiles, class_="strip"))
    return element("div", *strips, class_="strips")
