"""Near-copies among any number of features, without a matrix of all distances."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from keras_ssl.data.fingerprint import spread
from keras_ssl.data.selection.checks import unit_rows
from keras_ssl.data.tile_threads import tile_threads

_BLOCK, _CHUNK = 4096, 256  # rows compared with those that were kept before, and with each other
_TILE = (1024, 4096)  # products of a thread at a time
_SAMPLE = 8192  # rows by which axes are chosen
_AXES = 64  # on which all pairs are compared
_CELL = 2048  # rows in a cell, at about which cells are worth their number
_SIDES, _CUT_AXES = 8, 3  # 512 cells at most
_ROUNDING = 2e-5  # of float32, in half a squared distance of unit vectors
_EXACT = 1e-12
_PART = 2**21  # numbers of pairs that are looked at exactly, at a time

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def first_near(rows: Any, threshold: float, unit: bool = False) -> tuple[np.ndarray, np.ndarray]:
    r"""Finds for each row the first kept one that is near it; a row that has none is kept.

    The distance of two rows is `1 - cos`, half the squared distance of the unit vectors; computed in float64 by their
    difference, so that equal rows are 0 apart. A row of zeros is 0.5 from any other that is not.

    Few pairs get so far. On the 64 axes on which the rows differ most, and by the lengths of what is left of them,

    .. math:: |a - b|^2 \ge |Pa - Pb|^2 + (|a - Pa| - |b - Pb|)^2,

    which one product of matrices gives for a tile of pairs; and rows are kept in cells by their place on the first
    three axes, of which only those within reach of a row are looked at. No near pair is lost. Memory grows by 280 bytes
    for each kept row, whatever its width.

    Args:
        rows: `[N, D]` numbers: an array, also a memory-mapped one, or a `keras_ssl.evaluation.FeatureSet`.
        threshold: the largest distance of near rows, 0 or more.
        unit: whether the rows are unit vectors already, or zeros. Defaults to False.

    Returns:
        Int64 `[N]`, the number of the kept row, its own for one that is kept; and float64 `[N]`, the distance to it.

    Raises:
        ValueError: if a row holds NaN or infinity; its number is named.
    """
    count = len(rows)
    originals, distances = np.arange(count), np.zeros(count)
    read = partial(_unit, rows, unit)
    kept = _Kept(read, count, threshold)
    with tile_threads(float(count) ** 2, kept.cells) as each:
        for start in range(0, count, _BLOCK):
            block = read(slice(start, start + _BLOCK))
            bounds = kept.bounds(block)
            near = kept.near(block, bounds, each)
            decided = np.zeros(len(block), bool)
            _decide(near, start, originals, distances, decided)
            new = _greedy(block, bounds, threshold, start, originals, distances, decided)
            kept.add(start + new, bounds[new])
    return originals, distances


class _Kept:
    """The kept rows, by what bounds their distances from below, in cells.

    Args:
        read: gives unit vectors of rows, by their numbers.
        count: number of rows.
        threshold: as for `first_near`.

    Attributes:
        cells: how many there are.
    """

    def __init__(self, read: Callable[[Any], np.ndarray], count: int, threshold: float) -> None:
        self._read, self._threshold = read, threshold
        sample = read(spread(count, _SAMPLE))
        centered = sample - sample.mean(axis=0)
        self._axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :_AXES]
        side = int(np.clip((count / _CELL) ** (1 / _CUT_AXES), 1, _SIDES))
        places = (sample @ self._axes[:, :_CUT_AXES]).astype(np.float32)
        self._cuts = np.quantile(places, np.arange(1, side) / side, axis=0).T  # [axes, side - 1]
        self._sides = (side,) * len(self._cuts)
        self.cells = side ** len(self._cuts)
        self._numbers = [np.zeros(0, np.int64) for _ in range(self.cells)]
        self._bounds = [np.zeros((0, self._axes.shape[1] + 1), np.float32) for _ in range(self.cells)]
        self._counts = np.zeros(self.cells, np.int64)

    def bounds(self, unit: np.ndarray) -> np.ndarray:
        """Vectors whose distances are at most those of the rows: float32 `[n, axes + 1]`."""
        places = unit @ self._axes
        left = np.square(unit).sum(axis=1) - np.square(places).sum(axis=1)
        return np.column_stack([places, np.sqrt(np.maximum(left, 0.0))]).astype(np.float32)

    def near(self, unit: np.ndarray, bounds: np.ndarray, each: Callable[..., Any]) -> list[Pairs]:
        """The pairs of these rows and kept ones that are near each other."""
        gaps = [np.square(self._gaps(bounds[:, axis], axis)) for axis in range(len(self._cuts))]

        def look(cell: int) -> list[Pairs]:
            place = np.unravel_index(cell, self._sides)
            gap = sum(gaps[axis][:, side] for axis, side in enumerate(place))
            rows = np.flatnonzero(gap / 2.0 <= self._threshold + _ROUNDING)
            count = self._counts[cell]
            others, numbers = self._bounds[cell][:count], self._numbers[cell][:count]
            found = []
            for first, second in _candidates(bounds[rows], others, self._threshold):
                found.append(self._exactly(unit, rows[first], numbers[second]))
            return found

        filled = np.flatnonzero(self._counts).tolist()
        return [pairs for found in each(look, filled) for pairs in found]

    def add(self, numbers: np.ndarray, bounds: np.ndarray) -> None:
        """Keeps rows, in ascending order."""
        sides = [np.searchsorted(cuts, bounds[:, axis], side="right") for axis, cuts in enumerate(self._cuts)]
        cells = np.ravel_multi_index(tuple(sides), self._sides)
        for cell in np.unique(cells).tolist():
            inside = cells == cell
            count, total = self._counts[cell], self._counts[cell] + inside.sum()
            if total > len(self._numbers[cell]):
                room = max(64, 2 * total) - count
                self._numbers[cell] = np.pad(self._numbers[cell][:count], (0, room))
                self._bounds[cell] = np.pad(self._bounds[cell][:count], ((0, room), (0, 0)))
            self._numbers[cell][count:total], self._bounds[cell][count:total] = numbers[inside], bounds[inside]
            self._counts[cell] = total

    def _gaps(self, places: np.ndarray, axis: int) -> np.ndarray:
        """How far each place on an axis is from the interval of each side: `[n, sides]`."""
        low, high = np.append(-np.inf, self._cuts[axis]), np.append(self._cuts[axis], np.inf)
        return np.maximum(np.maximum(low - places[:, np.newaxis], places[:, np.newaxis] - high), 0.0)

    def _exactly(self, unit: np.ndarray, first: np.ndarray, numbers: np.ndarray) -> Pairs:
        apart = _apart(first, numbers, unit, self._read)
        return _near(first, numbers, apart, self._threshold)


def _greedy(
    unit: np.ndarray,
    bounds: np.ndarray,
    threshold: float,
    start: int,
    originals: np.ndarray,
    distances: np.ndarray,
    decided: np.ndarray,
) -> np.ndarray:
    """Decides the rows of a block that are near none of an earlier one; the places of those that are kept."""
    kept = np.zeros(0, np.int64)
    undecided = np.flatnonzero(~decided)
    for begin in range(0, len(undecided), _CHUNK):
        rows = undecided[begin : begin + _CHUNK]
        first, second, apart = _close(unit, bounds, rows, kept, threshold)
        _decide([(first, start + second, apart)], start, originals, distances, decided)
        rows = rows[~decided[rows]]
        first, second, apart = _close(unit, bounds, rows, rows, threshold)
        for place in np.lexsort((second, first)).tolist():  # those before a row are all decided when it is looked at
            row, other = first[place], second[place]
            if not decided[row] and not decided[other]:
                originals[start + row], distances[start + row], decided[row] = start + other, apart[place], True
        kept = np.append(kept, rows[~decided[rows]])
    return kept


def _close(unit: np.ndarray, bounds: np.ndarray, rows: np.ndarray, others: np.ndarray, threshold: float) -> Pairs:
    """The pairs of rows and earlier other rows of one block that are near each other."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for first, second in _candidates(bounds[rows], bounds[others], threshold):
        earlier = others[second] < rows[first]
        a, b = rows[first[earlier]], others[second[earlier]]
        found.append(_near(a, b, _apart(a, b, unit, unit.__getitem__), threshold))
    first, second, apart = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second, apart


def _candidates(first: np.ndarray, second: np.ndarray, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs whose bounds are near each other, tile by tile: places in both."""
    halves = [-np.square(bounds).sum(axis=1, keepdims=True) / 2.0 for bounds in (first, second)]
    ones = [np.ones_like(half) for half in halves]
    left, right = np.hstack([first, halves[0], ones[0]]), np.hstack([second, ones[1], halves[1]])
    for row in range(0, len(left), _TILE[0]):
        for column in range(0, len(right), _TILE[1]):
            products = left[row : row + _TILE[0]] @ right[column : column + _TILE[1]].T  # -|a - b|^2 / 2
            found = np.flatnonzero(products >= -(threshold + _ROUNDING))
            if len(found):
                rows, columns = np.divmod(found, products.shape[1])
                yield row + rows, column + columns


def _decide(pairs: list[Pairs], start: int, originals: np.ndarray, distances: np.ndarray, decided: np.ndarray) -> None:
    """Of all that is near a row, the first is its original."""
    if not pairs:
        return
    rows, numbers, apart = (np.concatenate(part) for part in zip(*pairs, strict=True))
    order = np.lexsort((numbers, rows))
    places, firsts = np.unique(rows[order], return_index=True)
    originals[start + places], distances[start + places] = numbers[order][firsts], apart[order][firsts]
    decided[places] = True


def _near(first: np.ndarray, second: np.ndarray, apart: np.ndarray, threshold: float) -> Pairs:
    near = apart <= threshold + _EXACT
    return first[near], second[near], apart[near]


def _apart(first: np.ndarray, second: np.ndarray, unit: np.ndarray, other: Callable[..., np.ndarray]) -> np.ndarray:
    """Distances of pairs: of `unit[first]` and `other(second)`."""
    part = max(1, _PART // unit.shape[1])
    apart = np.zeros(len(first))
    for start in range(0, len(first), part):
        piece = slice(start, start + part)
        apart[piece] = np.square(unit[first[piece]] - other(second[piece])).sum(axis=1) / 2.0
    return apart


def _unit(rows: Any, unit: bool, which: Any) -> np.ndarray:
    part = np.asarray(rows[which], np.float64)
    finite = np.isfinite(part).all(axis=1)
    if not finite.all():
        number = int(np.arange(len(rows))[which][finite.argmin()])
        raise ValueError(f"`rows` must be finite. Received: rows=array with NaN or infinity in row {number}")
    return part if unit else unit_rows(part)
