"""The losses of VICRegL: slow references, VICReg as a limit, matching."""

import keras
import numpy as np
import pytest

from keras_ssl.losses.vicreg_loss import vicreg_terms
from keras_ssl.losses.vicregl_loss import matched_places, place_vicreg_terms, square_distances
from tests.objectives.reference import draws, value


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def slow_matches(a, b, distances, count):
    """Image by image and place by place."""
    first, second = [], []
    for n in range(len(a)):
        pairs = [(distances[n, s].min(), s, int(distances[n, s].argmin())) for s in range(a.shape[1])]
        kept = sorted(pairs)[:count]
        first.append([a[n, s] for _, s, _ in kept])
        second.append([b[n, t] for _, _, t in kept])
    return np.array(first), np.array(second)


def slow_terms(a, b, epsilon=1e-4):
    """Pair by pair and dimension by dimension, in float64."""
    a, b = a.astype("float64"), b.astype("float64")
    count, pairs, width = a.shape
    variance, covariance = [], []
    for z in (a, b):
        for m in range(pairs):
            rows = z[:, m] - z[:, m].mean(axis=0)
            matrix = rows.T @ rows / (count - 1)
            variance.append(np.mean([max(0.0, 1 - np.sqrt(matrix[i, i] + epsilon)) for i in range(width)]))
            covariance.append(sum(matrix[i, j] ** 2 for i in range(width) for j in range(width) if i != j) / width)
    return np.mean((a - b) ** 2), np.mean(variance), np.mean(covariance)


def test_terms_equal_the_reference():
    a, b = 0.7 * draws(6, 3, 5), draws(6, 3, 5, seed=1)
    found = [value(term) for term in place_vicreg_terms(a, b)]
    np.testing.assert_allclose(found, slow_terms(a, b), rtol=1e-4)


def test_one_pair_is_vicreg_with_half_of_its_covariance_term():
    a, b = draws(6, 1, 5), draws(6, 1, 5, seed=1)
    invariance, variance, covariance = (value(term) for term in place_vicreg_terms(a, b))
    theirs = [value(term) for term in vicreg_terms(a[:, 0], b[:, 0])]
    assert [invariance, variance, 2 * covariance] == pytest.approx(theirs, rel=1e-5)


def test_the_order_of_pairs_does_not_count():
    a, b = draws(6, 3, 5), draws(6, 3, 5, seed=1)
    found, other = place_vicreg_terms(a, b), place_vicreg_terms(a[:, ::-1].copy(), b[:, ::-1].copy())
    assert [value(term) for term in found] == pytest.approx([value(term) for term in other], rel=1e-5)


def test_collapsed_places_cost_the_whole_variance_and_nothing_else():
    """Closed form: 1 - sqrt(epsilon)."""
    z = np.ones((6, 3, 5), "float32")
    assert [value(term) for term in place_vicreg_terms(z, z, 0.01)] == pytest.approx([0.0, 0.9, 0.0], abs=1e-6)


def test_distances_are_squares_of_differences():
    a, b = draws(2, 4, 3), 100 + 1e-2 * draws(2, 5, 3, seed=1)
    found = numbers(square_distances(a + 100, b))
    wanted = ((a[:, :, None].astype("float64") + 100 - b[:, None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_matches_equal_the_reference(count):
    a, b = draws(3, 6, 4), draws(3, 5, 4, seed=1)
    distances = numbers(square_distances(a, b))
    found = matched_places(a, b, distances.astype("float32"), count)
    for mine, theirs in zip(found, slow_matches(a, b, distances, count), strict=True):
        np.testing.assert_allclose(numbers(mine), theirs, rtol=1e-6)


def test_of_equal_whole_distances_the_first_counts():
    a, b = draws(1, 4, 2), draws(1, 3, 2, seed=1)
    first, second = matched_places(a, b, np.zeros((1, 4, 3), "int32"), 2)
    np.testing.assert_allclose(numbers(first), a[:, :2], rtol=1e-6)
    np.testing.assert_allclose(numbers(second), np.repeat(b[:, :1], 2, axis=1), rtol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="Received: count=0"):
        matched_places(np.ones((1, 2, 3)), np.ones((1, 2, 3)), np.ones((1, 2, 2)), 0)
    with pytest.raises(ValueError, match="Received: epsilon=0.0"):
        place_vicreg_terms(np.ones((2, 1, 3)), np.ones((2, 1, 3)), 0.0)
    with pytest.raises(ValueError, match=r"Received: a.shape=\(2, 1, 3\), b.shape=\(2, 2, 3\)"):
        place_vicreg_terms(np.ones((2, 1, 3)), np.ones((2, 2, 3)))
