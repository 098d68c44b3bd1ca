"""The uncertainty-weighted loss: its formula, where it is plain, where it is least."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.losses import (
    UncertaintyWeightedLoss,
    pass_divergence,
    pass_variance,
    uncertainty_weighted_loss,
)
from tests.losses.robust.reference import LABELS, LOGITS, each, probability, round_trip, to_numpy

SECOND = LOGITS + np.random.RandomState(0).normal(size=LOGITS.shape)
PASSES = np.stack([LOGITS, SECOND], axis=1)


def slow(passes, labels, regularization, measure):
    values = []
    for (first, second), y in zip(passes, labels, strict=True):
        a, b = -math.log(probability(first, y)), -math.log(probability(second, y))
        if measure == "variance":
            mean = (a + b) / 2
            u = ((a - mean) ** 2 + (b - mean) ** 2) / 2
        else:
            u = sum(
                probability(second, k) * math.log(probability(second, k) / probability(first, k))
                for k in range(len(first))
            )
        values.append(a * math.exp(-u) + regularization * u)
    return np.array(values)


@pytest.mark.parametrize("measure", ["variance", "divergence"])
@pytest.mark.parametrize("regularization", [0.0, 0.3, 1.0])
def test_equals_the_definition(measure, regularization, value_and_gradients, finite_differences, tolerance):
    loss = UncertaintyWeightedLoss(regularization, measure)
    value = round_trip(loss, LABELS, PASSES)
    assert value == pytest.approx(slow(PASSES, LABELS, regularization, measure).mean(), rel=1e-5)
    _, (found,) = value_and_gradients(lambda f: keras.ops.mean(loss.call(LABELS, f)), PASSES)
    (expected,) = finite_differences(lambda f: slow(f, LABELS, regularization, measure).mean(), PASSES)
    np.testing.assert_allclose(found, expected, atol=10 * max(tolerance, 1e-7))


@pytest.mark.parametrize("measure", ["variance", "divergence"])
def test_passes_that_agree_give_the_plain_loss(measure):
    same = np.stack([LOGITS, LOGITS], axis=1)
    found = float(UncertaintyWeightedLoss(5.0, measure)(LABELS, same))
    assert found == pytest.approx(each(lambda row, y: -math.log(probability(row, y))).mean(), rel=1e-5)
    np.testing.assert_array_equal(to_numpy(pass_variance([1.5, 2.0], [1.5, 2.0])), 0.0)


def test_the_weight_falls_strictly_with_uncertainty():
    u = np.linspace(0, 4, 9).astype("float32")
    weights = to_numpy(uncertainty_weighted_loss(np.ones(9, "float32"), u, 0.0))
    np.testing.assert_allclose(weights, np.exp(-u), rtol=1e-6)
    assert (np.diff(weights) < 0).all()


@pytest.mark.parametrize(("loss", "price"), [(3.0, 0.5), (10.0, 2.0)])
def test_least_where_the_formula_says(loss, price, value_and_gradients):
    best = math.log(loss / price)

    def of(u):
        return uncertainty_weighted_loss(keras.ops.cast([loss], u.dtype), u, price)[0]

    value, (slope,) = value_and_gradients(of, np.array([best]))
    assert slope[0] == pytest.approx(0.0, abs=1e-6)
    assert value == pytest.approx(price * (1 + best), rel=1e-6)
    for other in (best - 0.3, best + 0.3):
        assert value_and_gradients(of, np.array([other]))[0] > value


def test_variance_and_divergence():
    a, b = np.array([1.0, 0.0]), np.array([4.0, -2.0])
    np.testing.assert_allclose(to_numpy(pass_variance(a, b)), np.var([a, b], axis=0))
    assert to_numpy(pass_divergence(LOGITS, LOGITS + 7.0)) == pytest.approx(0.0, abs=1e-5)
    assert (to_numpy(pass_divergence(LOGITS, SECOND)) > 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uncertainty_weighted_loss([1.0], [0.0], -1.0), "Received: regularization=-1"),
        (lambda: UncertaintyWeightedLoss(float("nan")), "Received: regularization=nan"),
        (lambda: UncertaintyWeightedLoss(measure="entropy"), "Received: measure='entropy'"),
        (lambda: uncertainty_weighted_loss([1.0, 2.0], [0.0]), "Received: uncertainty.shape="),
        (lambda: pass_variance([1.0, 2.0], [0.0]), "Received: second.shape="),
        (lambda: pass_divergence(LOGITS, LOGITS[:2]), "Received: second.shape="),
        (lambda: UncertaintyWeightedLoss()(LABELS, LOGITS), "Received: y_pred.shape="),
        (lambda: UncertaintyWeightedLoss()(np.eye(4), PASSES), "Received: y_true.shape="),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
