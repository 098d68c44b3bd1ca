"""Comp-sum losses: the named members of the family, one formula for all, extreme logits."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.losses import CompSumLoss, comp_sum_loss
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


def slow(row, label, tau):
    u = sum(math.exp(other - row[label]) for k, other in enumerate(row) if k != label)
    return math.log(1 + u) if tau == 1 else ((1 + u) ** (1 - tau) - 1) / (1 - tau)


@pytest.mark.parametrize("tau", [0.0, 0.3, 0.999, 1.0, 1.001, 1.5, 2.0, 3.5])
def test_equals_the_definition(tau):
    found = to_numpy(comp_sum_loss(LOGITS.astype("float32"), LABELS, tau))
    np.testing.assert_allclose(found, each(lambda row, y: slow(row, y, tau)), rtol=2e-5)


def test_named_members():
    logits = LOGITS.astype("float32")
    p = each(probability)
    np.testing.assert_allclose(to_numpy(comp_sum_loss(logits, LABELS, 0.0)), 1 / p - 1, rtol=2e-5)
    entropy = keras.ops.sparse_categorical_crossentropy(LABELS, keras.ops.convert_to_tensor(logits), from_logits=True)
    np.testing.assert_allclose(to_numpy(comp_sum_loss(logits, LABELS)), to_numpy(entropy), rtol=2e-5)
    for q in (0.3, 0.7):
        np.testing.assert_allclose(to_numpy(comp_sum_loss(logits, LABELS, 1 + q)), (1 - p**q) / q, rtol=2e-5)
    label_distance = np.abs(np.eye(4)[LABELS] - np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)).sum(axis=1)
    np.testing.assert_allclose(to_numpy(comp_sum_loss(logits, LABELS, 2.0)), label_distance / 2, rtol=2e-5)


def test_tau_near_one_is_cross_entropy_from_both_sides():
    entropy = to_numpy(comp_sum_loss(LOGITS.astype("float32"), LABELS, 1.0))
    for tau in (1 - 1e-6, 1 + 1e-6):
        np.testing.assert_allclose(to_numpy(comp_sum_loss(LOGITS.astype("float32"), LABELS, tau)), entropy, rtol=1e-4)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_gradient(tau, value_and_gradients, finite_differences, tolerance):
    _, (found,) = value_and_gradients(lambda f: keras.ops.sum(comp_sum_loss(f, LABELS, tau)), LOGITS)
    (expected,) = finite_differences(lambda f: each(lambda row, y: slow(row, y, tau), f).sum(), LOGITS)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, atol=max(tolerance, 1e-7))


def test_digits_of_near_certain_predictions_are_kept():
    """`softmax` rounds such a p to 1, and the loss to 0."""
    found = to_numpy(comp_sum_loss(np.array([[40.0, 0.0], [80.0, 0.0]], "float32"), np.array([0, 0])))
    np.testing.assert_allclose(found, [math.exp(-40), math.exp(-80)], rtol=1e-4)


@pytest.mark.parametrize("tau", [1.0, 1.5, 2.0])
def test_hopeless_samples_have_finite_losses_and_gradients(tau, value_and_gradients):
    far = np.array([[0.0, 1000.0, -1000.0], [0.0, 0.0, 0.0]])
    value, (gradient,) = value_and_gradients(lambda f: keras.ops.sum(comp_sum_loss(f, np.array([0, 0]), tau)), far)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    if tau > 1:
        np.testing.assert_allclose(gradient[0], 0.0, atol=1e-6)  # given up


def test_labels_that_are_no_class_give_nan_in_compiled_code():
    in_compiled_code_nan(comp_sum_loss)


def test_as_a_keras_loss():
    value = round_trip(CompSumLoss(tau=1.5))
    np.testing.assert_allclose(value, each(lambda row, y: slow(row, y, 1.5)).mean(), rtol=1e-5)
    loss = CompSumLoss(tau=1.5, reduction="sum")
    np.testing.assert_allclose(float(loss(LABELS[:, None], LOGITS)), 4 * value, rtol=1e-5)
    weights = np.array([1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(
        float(CompSumLoss(tau=0.0, reduction="sum")(LABELS, LOGITS, weights)), slow(list(LOGITS[0]), 0, 0.0), rtol=1e-5
    )


def test_trains_by_compile_and_fit():
    keras.utils.set_random_seed(0)
    x = np.random.RandomState(0).normal(size=(64, 2)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(1.0), CompSumLoss(tau=1.5), metrics=["accuracy"])
    history = model.fit(x, y, batch_size=32, epochs=15, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] and history["accuracy"][-1] > 0.9


@pytest.mark.parametrize("tau", [-0.1, float("nan"), float("inf")])
def test_refuses_tau(tau):
    for call in (lambda: comp_sum_loss(LOGITS, LABELS, tau), lambda: CompSumLoss(tau=tau)):
        with pytest.raises(ValueError, match="Received: tau="):
            call()


def test_refuses_what_are_no_logits_and_labels():
    refuses(comp_sum_loss)
    with pytest.raises(ValueError, match="soft labels are not taken. Received: y_true.shape="):
        CompSumLoss()(np.eye(4), LOGITS)
    with pytest.raises(ValueError, match="soft labels are not taken. Received: y_true.shape="):
        CompSumLoss()(np.array([0.5, 1.0, 0.0, 2.0]), LOGITS)
    with pytest.raises(ValueError, match="Received: labels=7"):
        CompSumLoss()(np.array([0, 7, 1, 1]), LOGITS)
