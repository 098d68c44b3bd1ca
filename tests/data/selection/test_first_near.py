"""The first kept row near each row, without a matrix of all distances."""

import sys
import tracemalloc

import numpy as np
import pytest

from keras_ssl.data import tile_threads
from keras_ssl.data.selection.first_near import first_near

pytestmark = pytest.mark.once
MODULE = sys.modules[first_near.__module__]


def scan(rows, threshold):
    """Row by row, straight from the definition."""
    lengths = np.linalg.norm(rows.astype("float64"), axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    originals, distances, kept = np.arange(len(rows)), np.zeros(len(rows)), []
    for number in range(len(rows)):
        for other in kept:
            apart = np.square(unit[number] - unit[other]).sum() / 2
            if apart <= threshold + 1e-12:
                originals[number], distances[number] = other, apart
                break
        else:
            kept.append(number)
    return originals, distances


def clusters(count, dimensions, spread, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((count // 6, dimensions)) * np.linspace(2, 0.1, dimensions)
    rows = centers[rng.integers(0, len(centers), count)] + spread * rng.standard_normal((count, dimensions))
    rows[::17] = rows[3]  # equal ones, near and far from each other
    return rows.astype("float32")


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize(
    ("threshold", "spread"), [(0.0, 0.1), (0.01, 0.05), (0.01, 0.001), (0.2, 0.1), (1.0, 0.1), (2.0, 0.1)]
)
@pytest.mark.parametrize("dimensions", [1, 2, 5, 90])
def test_equals_the_definition(monkeypatch, dimensions, threshold, spread, threads):
    """In small blocks and cells, so that each of a few hundred rows meets the others in every way."""
    if threads:
        monkeypatch.setattr(tile_threads, "_SMALL", 1)
    for name, value in {"_BLOCK": 50, "_CHUNK": 16, "_TILE": (7, 9), "_CELL": 10, "_AXES": 6, "_PART": 400}.items():
        monkeypatch.setattr(MODULE, name, value)
    rows = clusters(300, dimensions, spread)
    rows[[5, 40, 41]] = 0
    originals, distances = first_near(rows, threshold)
    expected, apart = scan(rows, threshold)
    np.testing.assert_array_equal(originals, expected)
    np.testing.assert_allclose(distances, apart, atol=1e-12)
    assert originals.dtype == np.int64 and (distances[originals == 3] >= 0).all()


def test_equal_rows_are_nothing_apart():
    rows = np.random.default_rng(0).standard_normal((5000, 40)).astype("float32")
    rows[2500:] = rows[:2500]
    originals, distances = first_near(rows, 0.0)
    np.testing.assert_array_equal(originals, np.tile(np.arange(2500), 2))
    assert not distances.any()


def test_planted_copies_are_found_in_cells():
    """20,000 rows: eight cells, and blocks of the size that is used."""
    rng = np.random.default_rng(1)
    rows = (rng.standard_normal((20_000, 80)) * np.linspace(2, 0.2, 80)).astype("float32")
    copies, of = np.arange(10_000, 20_000, 50), np.arange(0, 10_000, 50)
    rows[copies] = 3 * rows[of] + 0.05 * rng.standard_normal((200, 80))
    originals, distances = first_near(rows, 0.01)
    expected = np.arange(20_000)
    expected[copies] = of
    np.testing.assert_array_equal(originals, expected)
    assert (0 < distances[copies]).all() and (distances[copies] < 0.01).all()


def test_memory_is_that_of_what_is_kept():
    """30,000 x 30,000 distances would be 3.6 GB in float32; half of the rows are kept."""
    rows = np.random.default_rng(2).standard_normal((30_000, 200)).astype("float32")
    rows[15_000:] = rows[:15_000]
    first_near(rows[:10], 0.01)
    tracemalloc.start()
    originals, _ = first_near(rows, 0.001)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(originals, np.tile(np.arange(15_000), 2))
    assert peak < 130e6


def test_one_row_and_bad_numbers():
    assert [part.tolist() for part in first_near(np.ones((1, 3)), 0.1)] == [[0], [0.0]]
    rows = np.ones((5000, 3))
    rows[4321] = np.nan
    with pytest.raises(ValueError, match=r"`rows` must be finite. Received: .* in row 4321"):
        first_near(rows, 0.1)
