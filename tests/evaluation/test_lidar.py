import sys

import numpy as np
import pytest
from scipy.linalg import eigh

from keras_ssl.evaluation import lidar, rankme


def views(samples=12, count=5, dimensions=4, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((samples, dimensions))
    features = np.repeat(centers, count, axis=0) + noise * rng.standard_normal((samples * count, dimensions))
    return features, np.repeat(np.arange(samples), count)


def slow_lidar(features, groups, delta):
    """The generalized eigenvalues of the two scatter matrices, sample by sample."""
    names = sorted(set(groups.tolist()))
    means = np.array([features[groups == name].mean(axis=0) for name in names])
    between = sum(np.outer(m, m) for m in means - means.mean(axis=0)) / (len(names) - 1)
    within = delta * np.eye(features.shape[1])
    for z, group in zip(features, groups, strict=True):
        difference = z - means[names.index(group)]
        within = within + np.outer(difference, difference) / (len(features) - len(names))
    values = np.maximum(eigh(between, within, eigvals_only=True), 0)
    shares = values / values.sum() + 1e-7
    return np.exp(-np.sum(shares * np.log(shares)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("delta", [1e-4, 0.5])
def test_equals_the_definition(dtype, delta):
    features, groups = views()
    features = features.astype(dtype)
    expected = slow_lidar(features.astype("float64"), groups, delta)
    assert lidar(features, groups, delta) == pytest.approx(expected, rel=1e-6)
    ragged = np.delete(np.arange(len(groups)), [0, 1, 2, 3, 7])  # the first sample keeps one view
    expected = slow_lidar(features[ragged].astype("float64"), groups[ragged], delta)
    assert lidar(features[ragged], groups[ragged], delta) == pytest.approx(expected, rel=1e-6)


def test_without_noise_the_rank_of_the_means():
    """All views equal: `S_w = delta I`, so the eigenvalues are those of the means' covariance."""
    features, groups = views(noise=0)
    centered = features[::5] - features[::5].mean(axis=0)
    values = np.linalg.svd(centered, compute_uv=False) ** 2
    shares = values / values.sum()
    assert lidar(features, groups) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))), abs=1e-4)


def test_floor_and_ceiling():
    simplex = np.repeat(np.eye(9), 3, axis=0)
    assert lidar(simplex, np.repeat(np.arange(9), 3)) == pytest.approx(8, abs=1e-4)  # n - 1, not n or D
    line = np.outer(np.repeat(np.arange(6.0), 2), [1, 2, 3])
    assert lidar(line, np.repeat(np.arange(6), 2)) == pytest.approx(1, abs=1e-4)
    assert lidar(np.ones((6, 3)), [0, 0, 1, 1, 2, 2]) == 1  # collapse


def test_directions_of_the_views_do_not_count():
    """Two dimensions tell samples apart, six are noise of the views: RankMe counts them all."""
    rng = np.random.default_rng(3)
    signal = np.repeat(rng.standard_normal((200, 2)), 20, axis=0) * 10
    features = np.concatenate([signal, rng.standard_normal((4000, 6)) * 10], axis=1)
    groups = np.repeat(np.arange(200), 20)
    assert lidar(features, groups, delta=1e-6) < 3.1 < 6 < rankme(features)


def test_order_names_and_blocks(monkeypatch):
    features, groups = views()
    expected = lidar(features, groups)
    order = np.random.default_rng(0).permutation(len(groups))
    assert lidar(features[order], np.array([f"image {g}" for g in groups])[order]) == pytest.approx(expected, rel=1e-9)
    monkeypatch.setattr(sys.modules["keras_ssl.evaluation.spectrum"], "_BLOCK", 7 * 4)
    assert lidar(features, groups) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [0, 0, 0, 0]}, r"`groups` must name two samples.*Received: groups with 1 different values in 4"),
        ({"groups": [0, 1, 2, 3]}, r"Received: groups with 4 different values"),
        ({"groups": [0, 1]}, r"Received: groups.shape=\(2,\)"),
        ({"delta": 0}, r"Received: delta=0"),
        ({"features": [[1.0], [np.nan], [0.0], [0.0]]}, r"row 1"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        lidar(**{"features": np.eye(4), "groups": [0, 0, 1, 1]} | change)
