import numpy as np
import pytest
from sklearn.linear_model import Ridge

from keras_ssl.evaluation import RecursiveRidge
from tests.evaluation.streams import mixture, stream


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("gamma", [1e-4, 1.0, 100.0])
def test_equals_scikit_learn(dtype, gamma):
    features, labels = mixture(samples=700, dtype=dtype)
    ridge = Ridge(alpha=gamma, fit_intercept=False, solver="cholesky").fit(
        features.astype("float64"), np.eye(4)[labels]
    )
    for probe in (RecursiveRidge(gamma).fit(features, labels), stream(RecursiveRidge(gamma), features, labels)):
        np.testing.assert_allclose(probe.coef_, ridge.coef_, rtol=1e-6, atol=1e-8)
        np.testing.assert_array_equal(probe.intercept_, 0)


def test_more_dimensions_than_samples():
    features = np.random.default_rng(0).standard_normal((20, 50))
    labels = np.arange(20) % 3
    dual = features.T @ np.linalg.solve(features @ features.T + 0.5 * np.eye(20), np.eye(3)[labels])
    np.testing.assert_allclose(stream(RecursiveRidge(0.5), features, labels).coef_, dual.T, rtol=1e-8, atol=1e-10)


def test_a_long_stream_does_not_drift():
    features, labels = mixture(samples=5000)
    probe = RecursiveRidge(1e-3)
    for start in range(0, 5000, 10):
        probe.partial_fit(features[start : start + 10], labels[start : start + 10])
    joint = np.linalg.solve(features.T @ features + 1e-3 * np.eye(6), features.T @ np.eye(4)[labels])
    np.testing.assert_allclose(probe.coef_, joint.T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("gamma", [0, -1.0, float("nan")])
def test_bad_gamma(gamma):
    with pytest.raises(ValueError, match=r"Received: gamma="):
        RecursiveRidge(gamma)
