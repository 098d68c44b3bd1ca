"""Generalized and symmetric cross-entropy against their definitions."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.losses import (
    GeneralizedCrossEntropy,
    SymmetricCrossEntropy,
    comp_sum_loss,
    generalized_cross_entropy,
    symmetric_cross_entropy,
)
from tests.losses.robust.reference import LABELS, LOGITS, each, probability, refuses, round_trip, to_numpy

F32 = LOGITS.astype("float32")


def slow_generalized(row, label, q):
    p = probability(row, label)
    return -math.log(p) if q == 0 else (1 - p**q) / q


def slow_symmetric(row, label, alpha, beta, log_zero):
    """Both sums over all classes, with the one-hot label's logarithms."""
    forward = backward = 0.0
    for k in range(len(row)):
        p = probability(row, k)
        forward -= float(k == label) * math.log(p)
        backward -= p * (0.0 if k == label else log_zero)
    return alpha * forward + beta * backward


@pytest.mark.parametrize("q", [0.0, 0.01, 0.7, 1.0])
def test_generalized(q, value_and_gradients, finite_differences, tolerance):
    expected = each(lambda row, y: slow_generalized(row, y, q))
    np.testing.assert_allclose(to_numpy(generalized_cross_entropy(F32, LABELS, q)), expected, rtol=2e-5)
    _, (found,) = value_and_gradients(lambda f: keras.ops.sum(generalized_cross_entropy(f, LABELS, q)), LOGITS)
    (slopes,) = finite_differences(lambda f: each(lambda r, y: slow_generalized(r, y, q), f).sum(), LOGITS)
    np.testing.assert_allclose(found, slopes, atol=max(tolerance, 1e-7))
    np.testing.assert_allclose(round_trip(GeneralizedCrossEntropy(q)), expected.mean(), rtol=1e-5)


@pytest.mark.parametrize(("alpha", "beta", "log_zero"), [(0.1, 1.0, -4.0), (6.0, 0.1, -6.0), (0.0, 1.0, -4.0)])
def test_symmetric(alpha, beta, log_zero, value_and_gradients, finite_differences, tolerance):
    options = (alpha, beta, log_zero)
    expected = each(lambda row, y: slow_symmetric(row, y, *options))
    np.testing.assert_allclose(to_numpy(symmetric_cross_entropy(F32, LABELS, *options)), expected, rtol=2e-5)
    _, (found,) = value_and_gradients(lambda f: keras.ops.sum(symmetric_cross_entropy(f, LABELS, *options)), LOGITS)
    (slopes,) = finite_differences(lambda f: each(lambda r, y: slow_symmetric(r, y, *options), f).sum(), LOGITS)
    np.testing.assert_allclose(found, slopes, atol=10 * max(tolerance, 1e-7))
    np.testing.assert_allclose(round_trip(SymmetricCrossEntropy(*options)), expected.mean(), rtol=1e-5)


def test_limits():
    entropy = to_numpy(comp_sum_loss(F32, LABELS, 1.0))
    np.testing.assert_array_equal(to_numpy(generalized_cross_entropy(F32, LABELS, 0.0)), entropy)
    np.testing.assert_array_equal(to_numpy(symmetric_cross_entropy(F32, LABELS, 1.0, 0.0)), entropy)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: generalized_cross_entropy(F32, LABELS, 1.1), "Received: q=1.1"),
        (lambda: GeneralizedCrossEntropy(float("nan")), "Received: q=nan"),
        (lambda: GeneralizedCrossEntropy(-0.1), "Received: q=-0.1"),
        (lambda: symmetric_cross_entropy(F32, LABELS, alpha=-1.0), "Received: alpha=-1"),
        (lambda: SymmetricCrossEntropy(beta=float("inf")), "Received: beta=inf"),
        (lambda: SymmetricCrossEntropy(log_zero=0.0), "Received: log_zero=0"),
        (lambda: SymmetricCrossEntropy(log_zero=float("nan")), "Received: log_zero=nan"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_refuses_what_are_no_logits_and_labels():
    refuses(generalized_cross_entropy)
    refuses(symmetric_cross_entropy)
