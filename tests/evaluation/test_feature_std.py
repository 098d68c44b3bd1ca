import numpy as np
import pytest

from keras_ssl.evaluation import feature_std


def test_isotropic_features_have_one():
    corners = np.concatenate([np.eye(6), -np.eye(6)]) * 4.0
    assert feature_std(corners) == pytest.approx(1, abs=1e-6)
    directions = np.random.default_rng(0).standard_normal((20000, 32))
    assert feature_std(directions) == pytest.approx(1, abs=2e-3)


def test_collapsed_features_have_none():
    ray = np.random.default_rng(0).uniform(0.1, 9, (100, 1)) * [[3.0, -1.0, 2.0]]
    assert feature_std(ray) == pytest.approx(0, abs=1e-6)
    assert feature_std(np.zeros((4, 3))) == 0


def test_one_used_dimension_of_many():
    """Plus and minus one axis: std 1 in one of D dimensions, so sqrt(D) / D."""
    features = np.zeros((10, 16))
    features[:, 3] = [1, -1] * 5
    assert feature_std(features) == pytest.approx(1 / 4, abs=1e-6)


def test_equals_the_definition():
    features = np.random.default_rng(3).standard_normal((50, 7)) + 1
    unit = np.array([row / np.sqrt(np.sum(row**2)) for row in features])
    spread = [np.sqrt(np.mean((unit[:, d] - np.mean(unit[:, d])) ** 2)) for d in range(7)]
    assert feature_std(features) == pytest.approx(np.sqrt(7) * np.mean(spread), rel=1e-12)
    assert feature_std(features.astype("float16")) == pytest.approx(feature_std(features), abs=1e-3)
    assert feature_std(features) < 1


def test_bad_features():
    with pytest.raises(ValueError, match=r"Received: features.shape=\(3,\)"):
        feature_std(np.ones(3))
