"""The most typical sample of each cluster."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from keras_ssl.data import Typicality
from keras_ssl.data.selection.typicality import typicality

pytestmark = pytest.mark.once
RNG = np.random.default_rng(0)
CENTERS = np.eye(4)


def clusters(sizes, spread=0.05):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return CENTERS[labels] + spread * RNG.normal(size=(len(labels), 4)), labels


@pytest.mark.parametrize("neighbors", [1, 5, 20])
def test_typicality_is_that_of_scikit_learn(neighbors):
    x = RNG.normal(size=(30, 3))
    apart, _ = NearestNeighbors(n_neighbors=neighbors + 1).fit(x).kneighbors(x)
    np.testing.assert_allclose(typicality(x, neighbors), 1 / apart[:, 1:].mean(axis=1))


def test_one_of_each_cluster_the_largest_first():
    x, labels = clusters([10, 40, 20, 30])
    chosen = Typicality(4).select(x)
    assert labels[chosen].tolist() == [1, 3, 2, 0]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for number in chosen:  # each is the most typical of its cluster
        members = np.flatnonzero(labels == labels[number])
        assert number == members[typicality(unit[members], 20).argmax()]


def test_covered_clusters_come_last():
    x, labels = clusters([10, 40, 20, 30])
    known = [int(np.flatnonzero(labels == 1)[0]), int(np.flatnonzero(labels == 3)[0])]
    assert labels[Typicality(2).select(x, known)].tolist() == [2, 0]


def test_more_labels_than_clusters():
    x, labels = clusters([10, 40, 20, 30])
    chosen = Typicality(8, max_clusters=4).select(x)
    assert len(set(chosen.tolist())) == 8 and labels[chosen].tolist() == [1, 3, 2, 0] * 2
    everything = Typicality(100, max_clusters=4).select(x)
    assert sorted(everything.tolist()) == list(range(100))


def test_copies_are_typical():
    x = np.array([[1.0, 0.0]] * 3 + [[0.9, 0.5], [0.8, 0.6]])
    assert Typicality(1).select(x)[0] in (0, 1, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0}, "budget=0"),
        ({"budget": 2, "neighbors": 0}, "neighbors=0"),
        ({"budget": 2, "seed": -1}, "seed=-1"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Typicality(**arguments)
    with pytest.raises(ValueError, match="budget=9"):
        Typicality(9).select(np.eye(4))
