"""Label propagation against the matrix inverse in float64."""

import numpy as np
import pytest

from keras_ssl.losses import propagated_labels
from tests.objectives.reference import draws, unit


def inputs():
    features = np.stack([unit(draws(6, 4, seed=n)) for n in range(3)])
    labels = np.exp(np.stack([draws(6, 3, seed=9 + n) for n in range(3)]))
    return features, labels / labels.sum(axis=2, keepdims=True)


def slow(features, labels, alpha, temperature, present=None):
    found = []
    for n, (z, y) in enumerate(zip(features.astype("float64"), labels.astype("float64"), strict=True)):
        edges = np.zeros((6, 6))
        for i in range(6):
            for j in range(6):
                if i != j and (present is None or present[n, j]):
                    edges[i, j] = np.exp(z[i] @ z[j] / temperature)
            if edges[i].sum() == 0.0:
                edges[i, i] = 1.0
            edges[i] /= edges[i].sum()
        found.append((1 - alpha) * np.linalg.inv(np.eye(6) - alpha * edges) @ y)
    return np.array(found)


@pytest.mark.parametrize(("alpha", "temperature"), [(0.1, 0.1), (0.5, 1.0), (0.99, 0.2)])
def test_equals_the_inverse(alpha, temperature):
    features, labels = inputs()
    found = np.asarray(propagated_labels(features, labels, alpha, temperature))
    np.testing.assert_allclose(found, slow(features, labels, alpha, temperature), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-4)


def test_absent_nodes_give_nothing():
    features, labels = inputs()
    present = np.array([[1, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]], bool)
    found = np.asarray(propagated_labels(features, labels, 0.4, 0.5, present))
    np.testing.assert_allclose(found[:, 0], slow(features, labels, 0.4, 0.5, present)[:, 0], rtol=1e-4)
    np.testing.assert_allclose(found[1, 0], labels[1, 0], rtol=1e-5)


def test_zero_returns_the_labels():
    features, labels = inputs()
    np.testing.assert_array_equal(np.asarray(propagated_labels(features, labels, 0.0)), labels)


@pytest.mark.parametrize(
    ("options", "message"), [({"alpha": 1.0}, "Received: alpha=1.0"), ({"temperature": 0}, "Received: temperature=0")]
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        propagated_labels(*inputs(), **options)
