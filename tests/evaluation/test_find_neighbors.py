"""Nearest neighbors, block by block."""

import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from keras_ssl.data import tile_threads
from keras_ssl.evaluation import find_neighbors

pytestmark = pytest.mark.once
MODULE = sys.modules[find_neighbors.__module__]


def unit(features):
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def features(count, dimensions, seed=0, dtype="float32"):
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_scikit_learn(dtype):
    keys, queries = features(900, 12, dtype=dtype), features(70, 12, 1, dtype)
    near, nearest = find_neighbors(queries, keys, k=7)
    expected = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(keys.astype("float64"))
    distances, numbers = expected.kneighbors(queries.astype("float64"))
    np.testing.assert_array_equal(nearest, numbers)
    np.testing.assert_allclose(near, 1 - distances, atol=1e-12 if dtype == "float64" else 1e-6)
    assert near.dtype == (np.float64 if dtype == "float64" else np.float32) and nearest.dtype == np.int64


@pytest.mark.parametrize("order", ["random", "ascending", "descending"])
@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize(
    ("rows", "columns", "memory"), [(1, 1, 1), (7, 12, 1), (7, 12, 4 * 4 * 3 * 60), (500, 500, 2**30)]
)
def test_blocks_and_tiles_change_nothing(monkeypatch, order, k, rows, columns, memory):
    """Corners of a cube: similarities of few values, so that nearly all are tied with others."""
    rng = np.random.default_rng(0)
    keys, queries = (rng.choice([-1.0, 1.0], (count, 3)).astype("float32") for count in (200, 15))
    products = unit(queries) @ unit(keys).T
    if order != "random":  # the worst case: in every tile, much exceeds what was found before
        places = np.argsort(products[0] * (1 if order == "ascending" else -1), kind="stable")
        keys, products = keys[places], products[:, places]
    monkeypatch.setattr(MODULE, "_ROWS", rows)
    monkeypatch.setattr(MODULE, "_COLUMNS", columns)
    near, nearest = find_neighbors(queries, keys, k, memory)
    expected = np.argsort(-products.round(5), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(nearest, expected)
    np.testing.assert_allclose(near, np.take_along_axis(products, expected, axis=1), atol=1e-6)


def test_equal_features_are_found_by_their_number(monkeypatch):
    """Copies at places of all kinds in a tile, threads included."""
    monkeypatch.setattr(tile_threads, "_SMALL", 1)
    monkeypatch.setattr(MODULE, "_ROWS", 33)
    monkeypatch.setattr(MODULE, "_COLUMNS", 101)
    keys = features(2011, 77)
    copies = np.sort(np.random.default_rng(3).choice(2011, 40, replace=False))
    keys[copies] = keys[copies[0]]
    keys[copies[1::2]] *= 4  # the same direction, exactly
    queries = np.concatenate([keys[copies[:1]], keys[copies[:1]] + 0.1 * features(99, 77, 1)])
    near, nearest = find_neighbors(queries, keys, k=50)
    for row, values in zip(nearest, near, strict=True):
        assert sorted(row[:40]) == copies.tolist()
        # By their number wherever the product of matrices rounds copies alike, which depends on the processor.
        same = np.diff(values[:40]) == 0
        assert (np.diff(row[:40])[same] > 0).all()
        assert np.ptp(values[:40]) <= 1e-6
    assert (np.diff(near, axis=1) <= 0).all()


def test_threads_change_nothing(monkeypatch):
    keys, queries = features(3000, 16), features(1200, 16, 1)
    near, nearest = find_neighbors(queries, keys)
    monkeypatch.setattr(tile_threads, "_SMALL", 1)
    again, numbers = find_neighbors(queries, keys)
    np.testing.assert_array_equal(nearest, numbers)
    np.testing.assert_allclose(near, again, atol=1e-6)


def test_memory_is_bounded(monkeypatch):
    """60,000 x 3,000 similarities would be 720 MB; features of 31 MB are read in blocks of 1 MB."""
    monkeypatch.setattr(MODULE, "_COLUMNS", 512)
    keys, queries = features(60_000, 128), features(3000, 128, 1)
    find_neighbors(queries[:5], keys[:50])
    tracemalloc.start()
    near, nearest = find_neighbors(queries, keys, k=10, memory=2**22)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22 + 16e6
    np.testing.assert_array_equal(nearest[:50], np.argsort(-unit(queries[:50]) @ unit(keys).T, axis=1)[:, :10])


def test_zeros_and_huge_numbers():
    near, nearest = find_neighbors([[0.0, 0.0], [1e30, 0.0]], [[-1.0, 0.0], [0.0, 0.0], [1e-30, 0.0]], k=3)
    assert near.tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, -1.0]] and nearest.tolist() == [[0, 1, 2], [2, 1, 0]]


def test_equals_faiss():
    faiss = pytest.importorskip("faiss")
    keys, queries = features(4000, 32), features(300, 32, 1)
    keys[2000:2100] = keys[:100]
    near, nearest = find_neighbors(queries, keys, k=10)
    theirs, numbers = faiss.knn(unit(queries), unit(keys), 10, metric=faiss.METRIC_INNER_PRODUCT)
    np.testing.assert_allclose(near, theirs, atol=1e-6)
    same = nearest == numbers
    assert np.allclose((unit(queries) @ unit(keys).T)[np.nonzero(~same)[0], numbers[~same]], near[~same], atol=1e-6)
    assert same.mean() > 0.9  # the rest are ties


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 4}, r"`k` must be at most the number of features \(3\). Received: k=4"),
        ({"k": 0}, "Received: k=0"),
        ({"memory": 0}, "Received: memory=0"),
        ({"queries": [[1.0, 2.0, 3.0]]}, "same dimension"),
        ({"queries": [1.0, 2.0]}, r"`queries` must be features.*Received: queries.shape=\(2,\)"),
        ({"features": np.array([[1.0, 2.0], [np.nan, 0.0], [1.0, 1.0]])}, "`features` must be finite.*row 1"),
        ({"features": np.zeros((0, 2))}, r"features.shape=\(0, 2\)"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"queries": np.ones((2, 2)), "features": np.eye(3)[:, :2] + 1, "k": 2, "memory": 2**20}
    with pytest.raises(ValueError, match=message):
        find_neighbors(**arguments | change)


def test_the_row_of_a_bad_number_is_of_all_features(monkeypatch):
    monkeypatch.setattr(MODULE, "_COLUMNS", 10)
    keys = features(100, 4)
    keys[57, 2] = np.inf
    with pytest.raises(ValueError, match=r"`features` must be finite.*row 57 \(1 such rows\)"):
        find_neighbors(keys[:3], keys, k=2, memory=1)
