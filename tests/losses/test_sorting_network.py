import keras
import numpy as np
import pytest

from keras_ssl.losses.sorting_network import soft_sort


def values(n=6, m=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, m)).astype("float32")


def arrays(x, steepness=1.0):
    return [keras.ops.convert_to_numpy(result) for result in soft_sort(x, steepness)]


def reference(row, steepness):
    """One row, comparator by comparator, in float64: the values, and the rows of probabilities by rank."""
    x, p = [float(v) for v in row], np.eye(len(row))
    for layer in range(len(x)):
        for a in range(layer % 2, len(x) - 1, 2):
            keep = 0.5 + np.arctan(steepness * (x[a + 1] - x[a])) / np.pi
            x[a], x[a + 1] = keep * x[a] + (1 - keep) * x[a + 1], keep * x[a + 1] + (1 - keep) * x[a]
            p[a], p[a + 1] = keep * p[a] + (1 - keep) * p[a + 1], keep * p[a + 1] + (1 - keep) * p[a]
    return np.array(x), p


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("steepness", [0.3, 10.0])
def test_equals_the_network_comparator_by_comparator(size, steepness):
    x = values(m=size)
    found, probabilities = arrays(x, steepness)
    for n, row in enumerate(x):
        expected, p = reference(row, steepness)
        np.testing.assert_allclose(found[n], expected, atol=1e-5)
        np.testing.assert_allclose(probabilities[n], p, atol=1e-5)


def test_the_soft_permutation_is_doubly_stochastic():
    _, p = arrays(values(), 2.0)
    np.testing.assert_allclose(p.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(p.sum(2), 1.0, rtol=1e-5)
    assert (p > 0).all()


def test_the_soft_permutation_tends_to_the_hard_one_with_the_steepness():
    x = values()
    distances = []
    for steepness in (1e1, 1e3, 1e6):
        found, p = arrays(x, steepness)
        hard = np.stack([np.eye(5)[order] for order in np.argsort(x, axis=1)])
        distances.append(np.abs(p - hard).max())
    assert distances[0] > distances[1] > distances[2] and distances[2] < 1e-4
    np.testing.assert_allclose(found, np.sort(x, axis=1), atol=1e-4)


def test_steepness():
    with pytest.raises(ValueError, match="Received: steepness=0"):
        soft_sort(values(), 0)
