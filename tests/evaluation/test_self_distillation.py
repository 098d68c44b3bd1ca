"""Repeated self-distillation of a kernel ridge regression against its closed forms."""

import numpy as np
import pytest

from keras_ssl.evaluation import optimal_distillation_weight, self_distillation_fits, self_distillation_limit

pytestmark = pytest.mark.once
RNG = np.random.RandomState(0)
X = RNG.normal(size=(12, 3))
K = np.exp(-0.5 * ((X[:, None] - X[None]) ** 2).sum(axis=2))
Y = RNG.normal(size=12)


def test_the_limit_is_a_fit_with_a_larger_penalty():
    fits = self_distillation_fits(K, Y, 0.3, 0.4, 2000)
    np.testing.assert_allclose(fits[-1], K @ np.linalg.inv(K + 0.3 / 0.4 * np.eye(12)) @ Y, atol=1e-10)
    np.testing.assert_allclose(self_distillation_limit(K, Y, 0.3, 0.4), fits[-1], atol=1e-10)


def test_weight_one_changes_nothing_and_weight_zero_forgets():
    smoother = K @ np.linalg.inv(K + 0.3 * np.eye(12))
    for fit in self_distillation_fits(K, Y, 0.3, 1.0, 4):
        np.testing.assert_allclose(fit, smoother @ Y, atol=1e-12)
    fits = self_distillation_fits(K, Y, 0.3, 0.0, 5)
    np.testing.assert_allclose(fits[-1], np.linalg.matrix_power(smoother, 5) @ Y, atol=1e-12)
    assert not self_distillation_limit(K, Y, 0.3, 0.0).any()


def test_columns_are_fitted_alike():
    both = self_distillation_fits(K, np.stack([Y, -Y], axis=1), 0.3, 0.5, 3)
    np.testing.assert_allclose(both[:, :, 0], self_distillation_fits(K, Y, 0.3, 0.5, 3), atol=1e-12)


def test_the_optimal_weight_is_no_worse_than_a_grid():
    f, g, y = RNG.normal(size=20), RNG.normal(size=20), RNG.normal(size=20)
    y = 0.3 * f + 0.7 * g + 0.1 * y
    found = optimal_distillation_weight(f, g, y)

    def error(a):
        return np.sum((a * f + (1 - a) * g - y) ** 2)

    assert error(found) <= min(error(a) for a in np.linspace(0, 1, 1001)) + 1e-12
    assert optimal_distillation_weight(f, f, y) == 1.0
    assert (
        optimal_distillation_weight(f, g, 5 * f - 4 * g) == 1.0 and optimal_distillation_weight(f, g, 2 * g - f) == 0.0
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: self_distillation_fits(K, Y, 0.0, 0.5, 1), "ridge=0.0"),
        (lambda: self_distillation_fits(K, Y, float("nan"), 0.5, 1), "ridge=nan"),
        (lambda: self_distillation_fits(K, Y, 1.0, 1.5, 1), "weight=1.5"),
        (lambda: self_distillation_fits(K, Y, 1.0, 0.5, 0), "rounds=0"),
        (lambda: self_distillation_fits(K[:5], Y, 1.0, 0.5, 1), r"shapes \(5, 12\)"),
        (lambda: self_distillation_limit(K, Y[:5], 1.0, 0.5), r"shapes \(12, 12\) and \(5,\)"),
        (lambda: optimal_distillation_weight(Y, Y, Y[:5]), "shapes"),
        (lambda: optimal_distillation_weight(Y, Y * np.nan, Y), "shapes"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        call()
