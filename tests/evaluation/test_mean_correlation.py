import numpy as np
import pytest

from keras_ssl.evaluation import mean_correlation


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_numpy(dtype):
    features = (np.random.default_rng(0).standard_normal((40, 5)) @ np.diag([1, 2, 3, 4, 5]) + 10).astype(dtype)
    correlation = np.abs(np.corrcoef(features.astype("float64").T))
    expected = correlation[~np.eye(5, dtype=bool)].mean()
    assert mean_correlation(features) == pytest.approx(expected, rel=1e-9)
    wider = np.concatenate([features, np.full((40, 2), 0.1, dtype)], axis=1)
    assert mean_correlation(wider) == pytest.approx(expected, rel=1e-9)  # constants say nothing
    assert mean_correlation(-3 * features.astype("float64") + 4) == pytest.approx(expected, rel=1e-9)


def test_floor_and_ceiling():
    assert mean_correlation(np.concatenate([np.eye(4), -np.eye(4)])) == pytest.approx(0, abs=1e-12)
    assert mean_correlation(np.outer(np.arange(9.0), [1, -2, 3])) == pytest.approx(1)
    assert mean_correlation([[1.0, 2.0, 3.0], [4.0, 1.0, 9.0]]) == pytest.approx(1)  # two samples: one direction
    rng = np.random.default_rng(0)
    assert mean_correlation(rng.standard_normal((200, 100))) == pytest.approx(np.sqrt(2 / (np.pi * 200)), rel=0.05)


@pytest.mark.parametrize("features", [np.full((9, 3), 0.1), [[1.0, 2.0]], [[1.0], [2.0]], np.zeros((3, 3))])
def test_nothing_to_correlate(features):
    assert np.isnan(mean_correlation(features))


def test_bad_features():
    with pytest.raises(ValueError, match=r"row 0"):
        mean_correlation([[np.nan, 1.0], [0.0, 1.0]])
