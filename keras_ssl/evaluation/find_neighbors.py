"""Nearest neighbors among any number of features, exact, in a given amount of memory."""

from typing import Any

import numpy as np

from keras_ssl.data.tile_threads import tile_threads
from keras_ssl.evaluation.validation import as_features, check_finite_rows, l2_normalized, same_width
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

_ROWS, _COLUMNS = 512, 4096  # of a tile of similarities: 8 MB, one in each thread
_COPIES = 4  # of a block of features in memory: of the queries and the features, as read and normalized


def find_neighbors(
    queries: Tensor, features: Tensor, k: int = 10, memory: int = 2**30
) -> tuple[np.ndarray, np.ndarray]:
    r"""The `k` features of highest cosine similarity to each query.

    Every similarity is computed, in float32 (float64 where an argument is), and none is stored for longer than a tile
    of 512 by 4096. Features are read a block at a time, each block once for as many queries as fit in memory: a
    `keras_ssl.evaluation.FeatureSet` or a memory-mapped array is never in memory as a whole. Of equal similarities the
    lowest number is taken; those of copies of one feature can differ in the last bit, as some processors round a
    product of matrices by the place in a tile. A feature of zeros has similarity 0 to everything.

    50,000 queries among 1.28 million features of 768 numbers are 98 TFLOP: `benchmarks/search.py`.

    Args:
        queries: `[M, D]`, any floating type.
        features: `[N, D]`, any floating type, or what `keras_ssl.evaluation.open_features` gives.
        k: number of neighbors, at most N. Defaults to 10.
        memory: bytes for blocks of queries and features, beside the arguments, the results and 16 MB for each core.
            Fewer mean more passes over the features where there are many queries. Defaults to 1073741824 (1 GiB).

    Returns:
        Similarities, float32 (or float64) `[M, k]`, the largest first; and the features' numbers, int64 `[M, k]`.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), or `k` or `memory` is out
            of range.

    Example:

    >>> near, nearest = find_neighbors([[2.0, 0.1]], [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], k=2)
    >>> nearest.tolist()
    [[1, 2]]
    """
    wanted, keys = _readable("queries", queries), _readable("features", features)
    same_width("queries", wanted, "features", keys)
    k = check_integer("k", k, 1)
    if k > len(keys):
        raise ValueError(f"Argument `k` must be at most the number of features ({len(keys)}). Received: k={k}")
    memory = check_integer("memory", memory, 1)
    dtype = np.result_type(_floating(wanted), _floating(keys))
    rows = max(k, _COLUMNS, memory // (_COPIES * keys.shape[1] * dtype.itemsize))
    near = np.full((len(wanted), k), -np.inf, dtype)
    nearest = np.zeros((len(wanted), k), np.int64)
    tiles = -(-min(rows, len(wanted)) // _ROWS)
    with tile_threads(float(len(wanted)) * len(keys) * keys.shape[1], tiles) as each:
        for start in range(0, len(wanted), rows):
            block = _unit("queries", wanted, start, rows)
            parts = [(start + first, block[first : first + _ROWS]) for first in range(0, len(block), _ROWS)]
            for origin in range(0, len(keys), rows):
                others = _unit("features", keys, origin, rows)

                def improve(part: tuple[int, np.ndarray], others: np.ndarray = others, origin: int = origin) -> None:
                    here = slice(part[0], part[0] + len(part[1]))
                    _improve(near[here], nearest[here], part[1], others, origin)

                list(each(improve, parts))
    return near, nearest


def nearest_columns(similarity: np.ndarray, k: int) -> np.ndarray:
    """Columns of the `k` largest of each row, in ascending order; the lowest columns where values tie."""
    count = similarity.shape[1]
    nearest = np.argpartition(similarity, count - k, axis=1)[:, count - k :]
    threshold = np.take_along_axis(similarity, nearest, axis=1).min(axis=1, keepdims=True)
    # The partition picks any of several columns at the threshold; only such rows need a second look.
    for row in np.flatnonzero((similarity >= threshold).sum(axis=1) > k):
        above = np.flatnonzero(similarity[row] > threshold[row])
        level = np.flatnonzero(similarity[row] == threshold[row])
        nearest[row] = np.concatenate([above, level[: k - len(above)]])
    return np.sort(nearest, axis=1)


def _readable(name: str, features: Any) -> Any:
    """Features that can be read in blocks, `[N, D]`; their values are checked when they are read."""
    if hasattr(features, "__getitem__") and hasattr(features, "shape") and hasattr(features, "dtype"):
        if len(features.shape) == 2 and 0 not in features.shape and getattr(features.dtype, "kind", "") == "f":
            return features
    return as_features(name, features)


def _floating(features: Any) -> np.dtype:
    return np.dtype(np.float64 if features.dtype == np.float64 else np.float32)


def _unit(name: str, features: Any, start: int, rows: int) -> np.ndarray:
    part = np.asarray(features[start : start + rows]).astype(_floating(features), copy=False)
    check_finite_rows(name, part, start)
    return l2_normalized(part)


def _improve(near: np.ndarray, nearest: np.ndarray, queries: np.ndarray, keys: np.ndarray, origin: int) -> None:
    """Puts what is nearer among `keys`, of which the first has the number `origin`, in the place of what was found.

    Of all tiles but the first only what exceeds the `k` found so far is looked at: of many keys that is next to
    nothing.
    """
    k = near.shape[1]
    columns = max(k, _COLUMNS)
    for start in range(0, len(keys), columns):
        products = queries @ keys[start : start + columns].T
        if origin == start == 0:
            chosen = nearest_columns(products, k)
            near[:], nearest[:] = _largest(np.take_along_axis(products, chosen, axis=1), chosen, k)
            continue
        found = np.flatnonzero(products > near[:, -1:])  # of one axis, which NumPy does five times as fast as of two
        if not len(found):
            continue
        rows, places = np.divmod(found, products.shape[1])
        counts = np.bincount(rows, minlength=len(queries))
        place = k + np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        values = np.full((len(queries), k + counts.max()), -np.inf, near.dtype)
        numbers = np.zeros(values.shape, np.int64)
        values[:, :k], numbers[:, :k] = near, nearest
        values[rows, place], numbers[rows, place] = products.reshape(-1)[found], origin + start + places
        near[:], nearest[:] = _largest(values, numbers, k)


def _largest(values: np.ndarray, numbers: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest of each row, in descending order, and their numbers; of equal ones those that come first."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(numbers, order, axis=1)
