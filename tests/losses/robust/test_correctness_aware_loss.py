"""The correctness-aware loss: its formula, and on which side it pulls the temperature."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import comp_sum_loss, correctness_aware_loss
from tests.losses.robust.reference import LABELS, LOGITS, in_compiled_code_nan, probability, refuses, to_numpy

RIGHT = np.array([row.argmax() == y for row, y in zip(LOGITS, LABELS, strict=True)])  # both kinds
TEMPERATURES = np.array([0.5, 1.0, 3.0, 2.0])


def slow(logits, labels, temperatures):
    values = []
    for row, y, t in zip(logits, labels, temperatures, strict=True):
        confidence = max(probability([f / t for f in row], k) for k in range(len(row)))
        values.append((float(int(np.argmax(row)) == y) - confidence) ** 2)
    return np.array(values)


def test_equals_the_definition(value_and_gradients, finite_differences, tolerance):
    assert 0 < RIGHT.sum() < 4
    found = correctness_aware_loss(LOGITS.astype("float32"), LABELS, TEMPERATURES.astype("float32"))
    np.testing.assert_allclose(to_numpy(found), slow(LOGITS, LABELS, TEMPERATURES), rtol=2e-5)
    same = correctness_aware_loss(LOGITS.astype("float32"), LABELS, 2.0)
    np.testing.assert_allclose(to_numpy(same), slow(LOGITS, LABELS, [2.0] * 4), rtol=2e-5)
    _, gradients = value_and_gradients(
        lambda f, t: keras.ops.sum(correctness_aware_loss(f, LABELS, t)), LOGITS, TEMPERATURES
    )
    expected = finite_differences(lambda f, t: slow(f, LABELS, t).sum(), LOGITS, TEMPERATURES)
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=max(tolerance, 1e-7))


def test_rises_with_the_temperature_of_right_samples_and_falls_with_that_of_wrong_ones(value_and_gradients):
    _, (slopes,) = value_and_gradients(
        lambda t: keras.ops.sum(correctness_aware_loss(LOGITS.astype("float32"), LABELS, t)), TEMPERATURES
    )
    assert (slopes[RIGHT] > 0).all() and (slopes[~RIGHT] < 0).all()


def test_cross_entropy_pulls_a_narrow_mistake_the_other_way(value_and_gradients):
    """With 40 % on the right class of many, cross-entropy wants more confidence, which lies with the wrong class."""
    logits, label = np.array([[np.log(0.4), np.log(0.45), *[np.log(0.15 / 8)] * 8]], "float32"), np.array([0])
    _, (ours,) = value_and_gradients(
        lambda t: correctness_aware_loss(logits, label, t)[0], np.array([1.0]), dtype="float32"
    )
    _, (entropy,) = value_and_gradients(
        lambda t: comp_sum_loss(keras.ops.convert_to_tensor(logits) / t[:, None], label)[0],
        np.array([1.0]),
        dtype="float32",
    )
    assert ours[0] < 0 < entropy[0]


def test_certain_and_right_is_0_and_certain_and_wrong_is_1():
    found = correctness_aware_loss(np.array([[99.0, 0.0], [99.0, 0.0]], "float32"), np.array([0, 1]), 1.0)
    np.testing.assert_allclose(to_numpy(found), [0.0, 1.0], atol=1e-6)


def test_refuses():
    refuses(lambda logits, labels: correctness_aware_loss(logits, labels, 1.0))
    with pytest.raises(ValueError, match="Received: shape="):
        correctness_aware_loss(LOGITS, LABELS, np.ones((4, 1)))


def test_compiled():
    in_compiled_code_nan(lambda f, y: correctness_aware_loss(f, y, 2.0))
