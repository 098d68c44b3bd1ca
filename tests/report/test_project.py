import numpy as np
import pytest

from keras_ssl.report.project import by_pca, by_tsne
from tests.report.pages import clusters


def test_principal_components_equal_the_eigenvectors_of_the_covariance():
    features = np.random.default_rng(0).normal(size=(60, 5)) * [5, 3, 1, 1, 1] + 10
    places, shares = by_pca(features)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    expected = (features - features.mean(axis=0)) @ vectors[:, [-1, -2]]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-8)
    np.testing.assert_allclose(shares, values[[-1, -2]] / values.sum(), rtol=1e-10)


@pytest.mark.parametrize("features", [np.ones((6, 3)), np.full((1, 3), 2.0), np.zeros((4, 1)), np.full((9, 4), 1e6)])
def test_samples_that_are_all_alike_lie_at_one_point(features):
    places, shares = by_pca(features.astype("float32"))
    assert places.shape == (len(features), 2) and not places.any() and not shares.any()
    arranged = by_tsne(features.astype("float32"))
    assert arranged is None if len(features) < 5 else np.isfinite(arranged).all()


def test_one_dimension_leaves_the_second_zero():
    places, shares = by_pca(np.arange(6.0).reshape(6, 1))
    assert places[:, 0].std() > 1 and not places[:, 1].any() and shares.tolist() == [1, 0]


def test_tsne_keeps_clusters_together_and_repeats():
    part = clusters(60, seed=1)
    places = by_tsne(part.features, seed=3)
    assert places.shape == (60, 2)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(60)
    assert np.mean(part.labels[distances.argmin(axis=1)] == part.labels) > 0.95
    np.testing.assert_array_equal(by_tsne(part.features, seed=3), places)


@pytest.mark.parametrize("count", [5, 6, 7])
def test_tsne_of_few(count):
    assert np.isfinite(by_tsne(np.random.default_rng(0).normal(size=(count, 3)).astype("float32"))).all()
