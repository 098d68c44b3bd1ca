import sys

import numpy as np
import pytest

from keras_ssl.evaluation.spectrum import column_means, covariance, covariance_eigenvalues, spectral_entropy


@pytest.mark.parametrize("shape", [(60, 8), (8, 60), (20, 20)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_eigenvalues_equal_numpy(shape, dtype):
    features = (np.random.default_rng(0).standard_normal(shape) + 3).astype(dtype)
    exact = features.astype("float64")
    expected = np.linalg.eigvalsh(np.cov(exact.T, bias=True))[::-1]
    values = covariance_eigenvalues(features)
    assert len(values) == min(shape[0] - 1, shape[1])  # centring takes one
    np.testing.assert_allclose(values, expected[: len(values)], rtol=1e-9, atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    features = np.random.default_rng(0).standard_normal((50, 6)).astype("float32")
    mean, matrix = column_means(features), covariance(features)
    np.testing.assert_allclose(matrix, np.cov(features.astype("float64").T, bias=True), rtol=1e-10, atol=1e-14)
    monkeypatch.setattr(sys.modules[covariance.__module__], "_BLOCK", 7 * 6)
    np.testing.assert_allclose(column_means(features), mean, rtol=1e-12)
    np.testing.assert_allclose(covariance(features), matrix, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", [(5000, 3), (3, 5000)])
def test_what_is_alike_has_no_eigenvalue(shape):
    """0.1 is no binary number: the plain mean of 5,000 of them is not quite it."""
    assert len(covariance_eigenvalues(np.full(shape, 0.1, "float32"))) == 0
    assert len(covariance_eigenvalues(np.full(shape, 1e5))) == 0


def test_the_mean_does_not_drown_the_variance():
    features = np.random.default_rng(1).standard_normal((400, 4))
    np.testing.assert_allclose(covariance(features + 1e6), covariance(features), rtol=1e-6, atol=1e-9)


def test_entropy():
    assert spectral_entropy(np.array([2.0, 2.0, 0.0])) == pytest.approx(np.log(2))
    assert spectral_entropy(np.zeros(3)) == 0
