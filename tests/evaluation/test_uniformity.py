import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from keras_ssl.evaluation import uniformity


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("t", [0.5, 2.0])
def test_equals_the_definition(dtype, t, monkeypatch):
    features = np.random.default_rng(0).standard_normal((40, 5)).astype(dtype)
    exact = features.astype("float64")
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    expected = np.log(np.mean(np.exp(-t * pdist(unit) ** 2)))
    assert uniformity(features, t) == pytest.approx(expected, rel=1e-9)
    for rows in (1, 7, 39):
        monkeypatch.setattr(sys.modules[uniformity.__module__], "_BLOCK", rows * 40)
        assert uniformity(features, t) == pytest.approx(expected, rel=1e-9)


def test_floor_and_ceiling():
    assert uniformity(np.outer(np.arange(1.0, 9), [1, 2])) == pytest.approx(0, abs=1e-12)  # collapse
    assert uniformity(np.zeros((5, 3))) == 0
    simplex = np.eye(7) - 1 / 7
    assert uniformity(simplex) == pytest.approx(-2 * 2 * 7 / 6)
    assert uniformity([[1.0], [-1.0]], t=3) == pytest.approx(-12)
    crowded = np.random.default_rng(0).standard_normal((500, 3))
    assert -2 * 2 * 500 / 499 < uniformity(crowded) < -1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": [[1.0, 2.0]]}, r"at least 2 samples. Received: features.shape=\(1, 2\)"),
        ({"features": np.eye(2), "t": -1}, r"Received: t=-1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        uniformity(**arguments)
