import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from keras_ssl.evaluation import two_nn


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_scikit_learns_neighbors(dtype, monkeypatch):
    features = (np.random.default_rng(0).standard_normal((300, 5)) + 20).astype(dtype)
    distances = NearestNeighbors(n_neighbors=3).fit(features.astype("float64")).kneighbors()[0]
    expected = 300 / np.sum(np.log(distances[:, 1] / distances[:, 0]))
    assert two_nn(features) == pytest.approx(expected, rel=1e-6)
    monkeypatch.setattr(sys.modules[two_nn.__module__], "_BLOCK", 7 * 300)
    assert two_nn(features) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_finds_the_dimension_of_a_surface(dimension):
    """Points of a cube, bent into 30 dimensions by a smooth map."""
    rng = np.random.default_rng(dimension)
    cube = rng.uniform(size=(2000, dimension))
    bent = np.sin(cube @ rng.standard_normal((dimension, 30)))
    assert two_nn(bent) == pytest.approx(dimension, rel=0.08)


def test_odd_sets():
    features = np.random.default_rng(0).standard_normal((50, 3))
    assert two_nn(np.ones((5, 2))) == 0
    assert two_nn(np.repeat(features, 2, axis=0)) == 0  # no sample without an equal
    assert two_nn(np.eye(3)) == float("inf")
    assert 0 < two_nn(np.concatenate([features, features[:10]])) < 6
    with pytest.raises(ValueError, match="at least 3 samples"):
        two_nn(features[:2])
