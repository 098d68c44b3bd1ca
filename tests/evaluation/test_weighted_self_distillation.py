"""Repeated self-distillation of what a function fits, against the closed forms of kernel ridge regression."""

import numpy as np
import pytest

from keras_ssl.evaluation import WeightedSelfDistillation, self_distillation_fits

pytestmark = pytest.mark.once
RNG = np.random.RandomState(0)
X, NEW = RNG.normal(size=(14, 3)), RNG.normal(size=(30, 3))


def kernel(a, b):
    return np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2))


def truth(x):
    return np.sin(x[:, 0]) + 0.5 * x[:, 1]


Y, NEW_Y = truth(X) + 0.8 * RNG.normal(size=14), truth(NEW)


def ridge(x, y):
    weights = np.linalg.solve(kernel(x, x) + 0.05 * np.eye(len(x)), y)
    return lambda new: kernel(new, x) @ weights


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_kernel_ridge_regression_has_its_closed_form(weight):
    made = WeightedSelfDistillation(ridge, rounds=4, weight=weight).fit(X, Y)
    expected = self_distillation_fits(kernel(X, X), Y, 0.05, weight, 4)
    for predict, fits in zip(made.predictors, expected, strict=True):
        np.testing.assert_allclose(predict(X), fits, atol=1e-9)
    assert made.weights == [1.0, weight, weight, weight]
    np.testing.assert_array_equal(made.predict(NEW), made.predictors[-1](NEW))


def test_the_weight_that_is_found_is_no_worse_than_a_grid():
    made = WeightedSelfDistillation(ridge, rounds=2).fit(X, Y, held_out=(NEW, NEW_Y))

    def error(weight):
        other = WeightedSelfDistillation(ridge, rounds=2, weight=weight).fit(X, Y)
        return np.mean((other.predict(NEW) - NEW_Y) ** 2)

    best = min(error(weight) for weight in np.linspace(0, 1, 41))
    assert np.mean((made.predict(NEW) - NEW_Y) ** 2) <= best + 1e-9
    assert 0.0 <= made.weights[1] < 1.0


def test_one_round_is_the_fit_itself():
    made = WeightedSelfDistillation(ridge, rounds=1).fit(X, Y, held_out=(NEW, NEW_Y))
    np.testing.assert_array_equal(made.predict(NEW), ridge(X, Y)(NEW))


def test_refuses():
    with pytest.raises(ValueError, match="Received: fit=3"):
        WeightedSelfDistillation(3)
    with pytest.raises(ValueError, match="Received: rounds=0"):
        WeightedSelfDistillation(ridge, rounds=0)
    with pytest.raises(ValueError, match="Received: weight='best'"):
        WeightedSelfDistillation(ridge, weight="best")
    with pytest.raises(ValueError, match="Received: weight=1.5"):
        WeightedSelfDistillation(ridge, weight=1.5)
    with pytest.raises(ValueError, match="Received: held_out=None"):
        WeightedSelfDistillation(ridge).fit(X, Y)
    with pytest.raises(ValueError, match="Received: no rounds"):
        WeightedSelfDistillation(ridge).predict(X)
