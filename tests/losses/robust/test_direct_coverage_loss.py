"""Direct coverage optimization: its definition, the factor of its gradient, and probabilities near 0 and 1."""

import math
from fractions import Fraction

import keras
import numpy as np
import pytest

from keras_ssl.losses import DirectCoverageLoss, comp_sum_loss, coverage_factor, direct_coverage_loss
from tests.losses.robust.reference import (
    LABELS,
    LOGITS,
    each,
    in_compiled_code_nan,
    probability,
    refuses,
    round_trip,
    to_numpy,
)

F32 = LOGITS.astype("float32")


def slow(row, label, attempts):
    missed = 1.0
    for _ in range(attempts):
        missed *= 1.0 - probability(row, label)
    return -math.log(1.0 - missed)


def slow_factor(row, label, n):
    p = probability(row, label)
    return n * p * (1 - p) ** (n - 1) / (1 - (1 - p) ** n)


@pytest.mark.parametrize("attempts", [1, 2, 8, 64])
def test_equals_the_definition(attempts):
    found = to_numpy(direct_coverage_loss(F32, LABELS, attempts))
    np.testing.assert_allclose(found, each(lambda row, y: slow(row, y, attempts)), rtol=1e-4, atol=1e-9)


def test_one_attempt_is_cross_entropy_exactly():
    np.testing.assert_array_equal(
        to_numpy(direct_coverage_loss(F32, LABELS, 1)), to_numpy(comp_sum_loss(F32, LABELS, 1.0))
    )
    np.testing.assert_allclose(to_numpy(coverage_factor(F32, LABELS, 1)), 1.0, atol=1e-5)


@pytest.mark.parametrize("attempts", [2, 8, 64])
def test_gradient_is_that_of_cross_entropy_times_the_factor(attempts, value_and_gradients, tolerance):
    _, (found,) = value_and_gradients(lambda f: keras.ops.sum(direct_coverage_loss(f, LABELS, attempts)), LOGITS)
    _, (plain,) = value_and_gradients(lambda f: keras.ops.sum(comp_sum_loss(f, LABELS)), LOGITS)
    expected = each(lambda row, y: slow_factor(row, y, attempts))
    np.testing.assert_allclose(found, expected[:, None] * plain, atol=max(tolerance, 1e-8))
    factor = to_numpy(coverage_factor(F32, LABELS, attempts))
    np.testing.assert_allclose(factor, expected, rtol=1e-3, atol=1e-9)
    assert ((factor >= 0) & (factor <= 1)).all()


def test_factor_limits():
    """It is 1 for a hopeless sample, cross-entropy's own; 0 for one that is solved."""
    logits, labels = np.array([[0.0, 30.0], [0.0, 500.0], [30.0, 0.0]], "float32"), np.array([0, 0, 0])
    np.testing.assert_allclose(to_numpy(coverage_factor(logits, labels, 16)), [1.0, 1.0, 0.0], atol=1e-4)


@pytest.mark.parametrize("attempts", [2, 1000])
@pytest.mark.parametrize("gap", [-300.0, -80.0, -20.0, -14.9, -6.0, 0.0, 6.0, 20.0, 80.0])
def test_stable_for_probabilities_near_0_and_1(gap, attempts, value_and_gradients):
    """Against exact arithmetic: of `p / (1 - p) = e^gap`, the loss is `-log(1 - (1 - p)^N)`."""
    odds = Fraction(math.exp(gap))
    missed = (1 / (1 + odds)) ** attempts if attempts < 10 else None
    if missed is not None:
        hit = 1 - missed
        exact = math.log(hit.denominator) - math.log(hit.numerator)
        if exact < 1e-3:  # a difference of logarithms has no digits there
            exact = float(missed) + float(missed) ** 2 / 2
    else:
        spent = attempts * math.log1p(math.exp(gap))
        exact = -math.log(-math.expm1(-spent)) if spent < 0.7 else -math.log1p(-math.exp(-spent))
    labels = np.array([0])
    value, (gradient,) = value_and_gradients(
        lambda f: direct_coverage_loss(f, labels, attempts)[0], np.array([[gap, 0.0]])
    )
    assert value == pytest.approx(exact, rel=1e-4, abs=1e-30)
    assert np.isfinite(gradient).all()
    if gap <= -20:
        factor = float(coverage_factor(np.array([[gap, 0.0]], "float32"), labels, attempts)[0])
        np.testing.assert_allclose(gradient[0], [-factor, factor], rtol=1e-4)


def test_falls_with_attempts_and_with_the_probability():
    by_attempts = [float(direct_coverage_loss(F32[1:2], LABELS[1:2], n)[0]) for n in (1, 2, 4, 8, 16)]
    assert by_attempts == sorted(by_attempts, reverse=True) and len(set(by_attempts)) == 5


def test_compiled_and_as_a_keras_loss(compiled):
    labels = keras.ops.convert_to_tensor(LABELS, "int32")
    value = compiled(lambda f: keras.ops.mean(direct_coverage_loss(f, labels[: f.shape[0]], 8)), F32)
    assert value == pytest.approx(round_trip(DirectCoverageLoss(8)), rel=1e-5)
    in_compiled_code_nan(lambda f, y: direct_coverage_loss(f, y, 4))


@pytest.mark.parametrize("attempts", [0, -1, 1.5, float("nan"), float("inf"), True])
def test_refuses_attempts(attempts):
    calls = (direct_coverage_loss, coverage_factor)
    for call in (*(lambda f=f: f(F32, LABELS, attempts) for f in calls), lambda: DirectCoverageLoss(attempts)):
        with pytest.raises(ValueError, match="Received: attempts="):
            call()


def test_refuses_what_are_no_logits_and_labels():
    refuses(direct_coverage_loss)
    refuses(coverage_factor)
