"""The label-distributionally robust loss: its inner maximum, its limits, and its adaptive temperature."""

import math

import keras
import numpy as np
import pytest
from scipy.optimize import minimize

from keras_ssl.losses import (
    LabelDistributionallyRobustLoss,
    adaptive_temperatures,
    comp_sum_loss,
    label_distributionally_robust_loss,
)
from tests.losses.robust.reference import LABELS, LOGITS, each, in_compiled_code_nan, refuses, round_trip, to_numpy

F32 = LOGITS.astype("float32")
MATRIX = np.random.RandomState(3).uniform(0, 1, size=(4, 4))


def cost(k, label, margin):
    return margin[label][k] if isinstance(margin, np.ndarray) else margin * (k != label)


def slow(row, label, temperature, margin=0.0):
    total = 0.0
    for k in range(len(row)):
        total += math.exp((row[k] - row[label] + cost(k, label, margin)) / temperature)
    return temperature * math.log(total / len(row))


@pytest.mark.parametrize("margin", [0.0, 1.5, MATRIX], ids=["none", "number", "matrix"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 7.0])
def test_equals_the_closed_form(temperature, margin, value_and_gradients, finite_differences, tolerance):
    found = to_numpy(label_distributionally_robust_loss(F32, LABELS, temperature, margin))
    np.testing.assert_allclose(found, each(lambda row, y: slow(row, y, temperature, margin)), rtol=2e-5, atol=1e-6)
    _, (gradient,) = value_and_gradients(
        lambda f: keras.ops.sum(label_distributionally_robust_loss(f, LABELS, temperature, margin)), LOGITS
    )
    (slopes,) = finite_differences(lambda f: each(lambda r, y: slow(r, y, temperature, margin), f).sum(), LOGITS)
    np.testing.assert_allclose(gradient, slopes, atol=max(tolerance, 1e-7))


def test_is_the_inner_maximum_over_the_simplex():
    """Against a numerical maximum over p, which is at `softmax(d / l)`."""
    temperature, margin = 0.8, 0.5
    for row, label, found in zip(
        LOGITS, LABELS, to_numpy(label_distributionally_robust_loss(F32, LABELS, temperature, margin)), strict=True
    ):
        d = np.array([row[k] - row[label] + cost(k, label, margin) for k in range(4)])

        def negative(p, d=d):
            return -(p @ d - temperature * np.sum(p * np.log(4 * p)))

        p = minimize(
            negative, np.full(4, 0.25), bounds=[(1e-9, 1)] * 4, constraints={"type": "eq", "fun": lambda p: p.sum() - 1}
        ).x
        assert found == pytest.approx(-negative(p), abs=1e-4)
        np.testing.assert_allclose(p, np.exp(d / temperature) / np.exp(d / temperature).sum(), atol=5e-3)


def test_temperature_one_is_cross_entropy_minus_log_k():
    found = to_numpy(label_distributionally_robust_loss(F32, LABELS))
    np.testing.assert_allclose(found, to_numpy(comp_sum_loss(F32, LABELS)) - math.log(4), atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 1e-35, 1e-6])
def test_small_temperatures_are_the_greatest_margin(temperature, value_and_gradients):
    margin = 0.5
    expected = each(lambda row, y: max(row[k] - row[y] + cost(k, y, margin) for k in range(4)))
    found = label_distributionally_robust_loss(F32, LABELS, temperature, margin)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-4)
    _, (gradient,) = value_and_gradients(
        lambda f: keras.ops.sum(label_distributionally_robust_loss(f, LABELS, temperature, margin)), LOGITS
    )
    assert np.isfinite(gradient).all() and gradient[1, 3] == pytest.approx(1) and gradient[1, 1] == pytest.approx(-1)


@pytest.mark.parametrize("temperature", [1e5, 1e20, 1e35, 1e300, float("inf")])
def test_large_temperatures_are_the_mean_margin(temperature):
    """To all digits: a plain log-sum-exp would lose them."""
    expected = each(lambda row, y: np.mean([row[k] - row[y] + cost(k, y, 0.5) for k in range(4)]))
    found = label_distributionally_robust_loss(F32, LABELS, temperature, 0.5)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=2e-4)


def slow_adaptive(row, label, start, alpha, steps):
    """Alternating maximization, in float64."""
    d, most, current = np.array(row) - row[label], math.log(len(row)), start
    for _ in range(steps):
        p = np.exp((d - d.max()) / current)
        p /= p.sum()
        current = start * (1 - sum(q * math.log(len(row) * q) for q in p if q > 0) / (alpha * most))
    p = np.exp((d - d.max()) / current)
    p /= p.sum()
    divergence = sum(q * math.log(len(row) * q) for q in p if q > 0)
    penalty = alpha * most / (2 * start) * (current - start) ** 2
    return p @ d - current * divergence - penalty, current


@pytest.mark.parametrize("alpha", [1.2, 2.0, 10.0])
@pytest.mark.parametrize("start", [0.5, 2.0])
def test_adaptive_equals_alternating_maximization(start, alpha):
    found = to_numpy(label_distributionally_robust_loss(F32, LABELS, start, alpha=alpha, steps=3))
    expected = each(lambda row, y: slow_adaptive(row, y, start, alpha, 3)[0])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    margins = np.array([row - row[y] for row, y in zip(LOGITS, LABELS, strict=True)], "float32")
    temperatures = to_numpy(adaptive_temperatures(margins, start, alpha, 3))
    np.testing.assert_allclose(temperatures, each(lambda r, y: slow_adaptive(r, y, start, alpha, 3)[1]), rtol=1e-4)
    assert ((temperatures <= start) & (temperatures >= start * (1 - 1 / alpha) - 1e-6)).all()


def test_more_steps_raise_the_adaptive_loss_to_its_maximum():
    values = [
        to_numpy(label_distributionally_robust_loss(F32, LABELS, 2.0, alpha=1.5, steps=steps))
        for steps in (1, 2, 5, 40)
    ]
    for fewer, more in zip(values, values[1:], strict=False):
        assert (more >= fewer - 1e-5).all()
    best = [
        max(
            slow(list(row), y, l) - 1.5 * math.log(4) / 4 * (l - 2.0) ** 2 for l in np.linspace(2 / 3 + 1e-9, 2.0, 4001)
        )
        for row, y in zip(LOGITS, LABELS, strict=True)
    ]
    np.testing.assert_allclose(values[-1], best, atol=1e-4)


def test_adaptive_gradient_is_exact_at_the_maximum(value_and_gradients, finite_differences, tolerance):
    _, (gradient,) = value_and_gradients(
        lambda f: keras.ops.sum(label_distributionally_robust_loss(f, LABELS, 2.0, alpha=2.0, steps=200)), LOGITS
    )
    (slopes,) = finite_differences(
        lambda f: each(lambda row, y: slow_adaptive(row, y, 2.0, 2.0, 200)[0], f).sum(), LOGITS
    )
    np.testing.assert_allclose(gradient, slopes, atol=10 * max(tolerance, 1e-7))


def test_infinite_alpha_is_the_plain_loss():
    plain = to_numpy(label_distributionally_robust_loss(F32, LABELS, 2.0))
    for alpha in (float("inf"), 1e7):
        found = to_numpy(label_distributionally_robust_loss(F32, LABELS, 2.0, alpha=alpha))
        np.testing.assert_allclose(found, plain, atol=1e-5)


def test_degenerate_logits_have_finite_gradients(value_and_gradients):
    logits = np.array([[0.0, 0.0, 0.0], [0.0, 900.0, -900.0]])
    for alpha in (None, 2.0):
        value, (gradient,) = value_and_gradients(
            lambda f, alpha=alpha: keras.ops.sum(
                label_distributionally_robust_loss(f, np.array([0, 0]), 0.5, alpha=alpha)
            ),
            logits,
        )
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_compiled_and_as_a_keras_loss():
    in_compiled_code_nan(lambda f, y: label_distributionally_robust_loss(f, y, 2.0, MATRIX, alpha=2.0))
    in_compiled_code_nan(lambda f, y: label_distributionally_robust_loss(f, y, 0.0))
    value = round_trip(LabelDistributionallyRobustLoss(temperature=2.0, margin=MATRIX, alpha=1.5, steps=4))
    expected = label_distributionally_robust_loss(F32, LABELS, 2.0, MATRIX, 1.5, 4)
    assert value == pytest.approx(to_numpy(expected).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"margin": float("inf")}, "margin=inf"),
        ({"margin": np.zeros(4)}, "margin="),
        ({"alpha": 1.0}, "alpha=1.0"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"alpha": 2.0, "temperature": 0.0}, "temperature=0.0"),
        ({"alpha": 2.0, "temperature": float("inf")}, "temperature=inf"),
        ({"steps": 0}, "steps=0"),
        ({"steps": 1.5}, "steps=1.5"),
    ],
)
def test_refuses(options, message):
    for call in (
        lambda: label_distributionally_robust_loss(F32, LABELS, **options),
        lambda: LabelDistributionallyRobustLoss(**options),
    ):
        with pytest.raises(ValueError, match=f"Received: {message}"):
            call()


def test_refuses_what_does_not_fit():
    refuses(label_distributionally_robust_loss)
    with pytest.raises(ValueError, match="Received: margin.shape="):
        label_distributionally_robust_loss(F32, LABELS, margin=np.zeros((3, 3)))
