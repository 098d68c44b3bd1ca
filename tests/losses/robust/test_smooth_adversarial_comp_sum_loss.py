"""The smooth adversarial comp-sum loss against its definition, and where it is the plain loss."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.losses import comp_sum_loss, margin_change, smooth_adversarial_comp_sum_loss
from tests.losses.robust.reference import LABELS, LOGITS, refuses, to_numpy

MOVED = LOGITS + np.random.RandomState(0).normal(size=LOGITS.shape)


def slow_change(row, moved, label):
    """Over the other classes, one by one."""
    square = 0.0
    for k in range(len(row)):
        if k != label:
            square += ((moved[label] - moved[k]) - (row[label] - row[k])) ** 2
    return math.sqrt(square)


def slow(logits, moved, tau, nu):
    total = []
    for row, other, y in zip(logits, moved, LABELS, strict=True):
        u = sum(math.exp(row[k] - row[y]) for k in range(4) if k != y)
        phi = math.log(1 + u) if tau == 1 else ((1 + u) ** (1 - tau) - 1) / (1 - tau)
        total.append(phi + nu * slow_change(row, other, y))
    return np.array(total)


@pytest.mark.parametrize(("tau", "nu"), [(1.0, 1.0), (0.5, 0.2), (2.0, 3.0)])
def test_equals_the_definition(tau, nu):
    found = smooth_adversarial_comp_sum_loss(LOGITS.astype("float32"), MOVED.astype("float32"), LABELS, tau, nu)
    np.testing.assert_allclose(to_numpy(found), slow(LOGITS, MOVED, tau, nu), rtol=2e-5)


def test_gradients_reach_both_passes(value_and_gradients, finite_differences, tolerance):
    found = value_and_gradients(
        lambda f, g: keras.ops.sum(smooth_adversarial_comp_sum_loss(f, g, LABELS, 0.5, 0.7)), LOGITS, MOVED
    )[1]
    expected = finite_differences(lambda f, g: slow(f, g, 0.5, 0.7).sum(), LOGITS, MOVED)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=50 * max(tolerance, 1e-7))


def test_is_the_clean_loss_without_weight_or_without_a_perturbation(value_and_gradients):
    logits, moved = LOGITS.astype("float32"), MOVED.astype("float32")
    clean = to_numpy(comp_sum_loss(logits, LABELS, 1.5))
    np.testing.assert_array_equal(to_numpy(smooth_adversarial_comp_sum_loss(logits, moved, LABELS, 1.5, 0.0)), clean)
    np.testing.assert_array_equal(to_numpy(smooth_adversarial_comp_sum_loss(logits, logits, LABELS, 1.5, 2.0)), clean)
    # ... and so is its gradient: that of a norm of zeros is zero, not NaN.
    _, (plain,) = value_and_gradients(lambda f: keras.ops.sum(comp_sum_loss(f, LABELS, 1.5)), LOGITS)
    _, (found,) = value_and_gradients(
        lambda f: keras.ops.sum(smooth_adversarial_comp_sum_loss(f, f, LABELS, 1.5, 2.0)), LOGITS
    )
    np.testing.assert_allclose(found, plain, atol=1e-7)


def test_a_constant_added_to_all_logits_moves_no_margin():
    np.testing.assert_allclose(to_numpy(margin_change(LOGITS, LOGITS + 3.0, LABELS)), 0.0, atol=1e-5)


@pytest.mark.parametrize("nu", [-1.0, float("nan"), float("inf")])
def test_refuses_nu(nu):
    with pytest.raises(ValueError, match="Received: nu="):
        smooth_adversarial_comp_sum_loss(LOGITS, MOVED, LABELS, nu=nu)


def test_refuses_what_does_not_fit():
    refuses(lambda logits, labels: smooth_adversarial_comp_sum_loss(logits, logits, labels))
    with pytest.raises(ValueError, match="Received: perturbed.shape="):
        margin_change(LOGITS, LOGITS[:, :2], np.zeros(4, "int32"))
