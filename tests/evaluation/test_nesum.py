import numpy as np
import pytest

from keras_ssl.evaluation import nesum


def test_floor_and_ceiling():
    assert nesum(np.concatenate([np.eye(6), -np.eye(6)]) + 3) == pytest.approx(6, abs=1e-9)  # whitened: D
    assert nesum(np.eye(6)) == pytest.approx(5, abs=1e-9)  # N = D = 6: centring leaves N - 1
    assert nesum(np.outer(np.arange(6.0), np.ones(3)) + 1) == pytest.approx(1, abs=1e-9)
    assert nesum(np.full((1000, 3), 0.1, "float32")) == 0
    assert nesum([[1.0, 2.0]]) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_the_definition(dtype):
    features = (np.random.default_rng(0).standard_normal((80, 9)) * np.arange(1, 10) + 7).astype(dtype)
    matrix = np.cov(features.astype("float64").T)
    assert nesum(features) == pytest.approx(np.trace(matrix) / np.linalg.norm(matrix, 2), rel=1e-9)
    assert nesum(features.astype("float64") * 100 - 3) == pytest.approx(nesum(features), rel=1e-7)


def test_bad_features():
    with pytest.raises(ValueError, match=r"Received: features.shape=\(3,\)"):
        nesum(np.ones(3))
