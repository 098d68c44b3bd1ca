"""The density of Beta distributions, and that REINFORCE estimates the gradient of an expectation."""

import keras
import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import beta as scipy_beta

from keras_ssl.losses import beta_log_density, policy_gradient_loss
from tests.losses.robust.reference import to_numpy

LOGS = np.array([-3.0, -0.5, 0.0, 0.7, 3.5])
X = np.array([0.01, 0.3, 0.5, 0.8, 0.999])


def test_density_and_its_gradient(value_and_gradients):
    for log_beta in (-2.0, 0.0, 1.5):
        a, b = np.exp(LOGS), np.exp(log_beta)
        found = to_numpy(beta_log_density(X.astype("float32"), LOGS.astype("float32"), np.full(5, log_beta, "float32")))
        np.testing.assert_allclose(found, scipy_beta.logpdf(X, a, b), rtol=1e-4, atol=1e-4)
        value, (by_x, by_alpha, by_beta) = value_and_gradients(
            lambda x, p, q: keras.ops.sum(beta_log_density(x, p, q)), X, LOGS, np.full(5, log_beta)
        )
        scale = 1e-3 if keras.backend.backend() == "jax" else 1e-7
        assert value == pytest.approx(scipy_beta.logpdf(X, a, b).sum(), rel=max(scale, 1e-9))
        np.testing.assert_allclose(by_x, (a - 1) / X - (b - 1) / (1 - X), rtol=scale, atol=scale)
        np.testing.assert_allclose(by_alpha, a * (np.log(X) - digamma(a) + digamma(a + b)), rtol=scale, atol=scale)
        np.testing.assert_allclose(by_beta, b * (np.log1p(-X) - digamma(b) + digamma(a + b)), rtol=scale, atol=scale)


@pytest.mark.parametrize("baseline", [False, True])
@pytest.mark.parametrize("parameters", [(0.5, -0.3), (1.2, 1.0)])
def test_estimates_the_gradient_of_an_expected_cost(parameters, baseline, value_and_gradients):
    """Of the cost `-x`, whose expectation is `-alpha / (alpha + beta)`."""
    a, b = np.exp(parameters)
    count = 40_000
    x = np.random.RandomState(0).beta(a, b, size=count).clip(1e-6, 1 - 1e-6).astype("float32")

    def loss(p):
        logs = keras.ops.ones((count, 2), dtype=p.dtype) * p
        return policy_gradient_loss(-x, beta_log_density(x, logs[:, 0], logs[:, 1]), baseline=baseline)

    _, (found,) = value_and_gradients(loss, np.array(parameters), dtype="float32")
    expected = np.array([-a * b, a * b]) / (a + b) ** 2  # by log alpha and log beta
    score = np.stack(
        [
            a * (np.log(x) - digamma(a) + digamma(a + b)),
            b * (np.log1p(-x) - digamma(b) + digamma(a + b)),
        ]
    )
    costs = -x + x.mean() if baseline else -x
    error = (costs * score).std(axis=1) / np.sqrt(count)
    assert (np.abs(found - expected) < 4 * error).all() and (error < 0.02).all()


def test_the_baseline_lowers_the_variance():
    """With a constant added to the cost, the estimate without a baseline scatters; with it, nothing changes."""
    random = np.random.RandomState(0)
    scores, costs = random.normal(size=(200, 16)), random.normal(size=(200, 16))
    with_baseline = [float(policy_gradient_loss(c + 50.0, s)) for c, s in zip(costs, scores, strict=True)]
    without = [float(policy_gradient_loss(c + 50.0, s, baseline=False)) for c, s in zip(costs, scores, strict=True)]
    assert np.std(without) > 10 * np.std(with_baseline)
    plain = [float(policy_gradient_loss(c, s)) for c, s in zip(costs, scores, strict=True)]
    np.testing.assert_allclose(with_baseline, plain, atol=1e-4)


def test_equals_the_definition_with_weights():
    costs, logs, weights = np.array([1.0, 5.0, 2.0, -1.0]), np.array([0.3, -1.0, 2.0, 0.5]), np.array([1.0, 0, 1, 1])
    kept = [0, 2, 3]
    expected = np.mean([(costs[i] - np.mean([costs[j] for j in kept if j != i])) * logs[i] for i in kept])
    assert float(policy_gradient_loss(costs, logs, weights)) == pytest.approx(expected, abs=1e-6)
    assert float(policy_gradient_loss(costs[:1], logs[:1])) == pytest.approx(0.3, abs=1e-6)  # alone: no baseline
    assert float(policy_gradient_loss(costs, logs, np.zeros(4))) == 0.0


def test_no_gradient_flows_into_the_costs(value_and_gradients):
    _, (by_costs, by_logs) = value_and_gradients(policy_gradient_loss, np.array([1.0, 3.0]), np.array([0.5, 1.0]))
    np.testing.assert_array_equal(by_costs, 0.0)
    np.testing.assert_allclose(by_logs, [-1.0, 1.0], atol=1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="Received: log_densities.shape="):
        policy_gradient_loss(np.zeros(3), np.zeros(2))
