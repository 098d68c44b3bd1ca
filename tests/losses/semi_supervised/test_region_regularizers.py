"""Regularizers by region: loops over pixels in float64, where they vanish, and where gradients flow."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import region_consistency_loss, region_entropy_loss, region_smoothing_loss
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws

LOGITS, TEACHER = draws(3, 2, 4, 5), draws(3, 2, 4, 5, seed=1)
LABELS = np.random.default_rng(0).integers(-1, 2, size=(3, 2, 4)).astype("int32")
LABELS[2] = -1
LABELS[1] = 4


def soft(row):
    e = np.exp(row.astype("float64") - row.max())
    return e / e.sum()


def slow(value, kept):
    """The mean over the pixels of a region of a function of a pixel's two predictions."""
    found = []
    for n in range(3):
        values = [
            value(soft(LOGITS[n, i, j]), soft(TEACHER[n, i, j]))
            for i in range(2)
            for j in range(4)
            if (LABELS[n, i, j] >= 0) == kept
        ]
        found.append(np.mean(values) if values else 0.0)
    return found


def test_equal_the_reference():
    smoothing = slow(lambda p, _: sum(0.2 * np.log(0.2 / x) for x in p), True)
    entropy = slow(lambda p, _: -sum(x * np.log(x) for x in p), False)
    consistency = slow(lambda p, q: np.mean((p - q) ** 2), False)
    assert smoothing[2] == 0 and entropy[1] == 0 and min(smoothing[0], entropy[0]) > 0
    np.testing.assert_allclose(region_smoothing_loss(LOGITS, LABELS), smoothing, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(region_entropy_loss(LOGITS, LABELS), entropy, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(region_consistency_loss(LOGITS, TEACHER, LABELS), consistency, rtol=1e-5, atol=1e-7)


def test_of_whole_samples():
    labels = np.array([0, -1, 3], "int32")
    expected = [sum(0.2 * np.log(0.2 / x) for x in soft(row)) for row in LOGITS[:, 0, 0]]
    found = region_smoothing_loss(LOGITS[:, 0, 0], labels)
    np.testing.assert_allclose(found, np.where(labels >= 0, expected, 0.0), rtol=1e-5, atol=1e-7)


def test_uniform_is_smooth_one_hot_is_sharp_and_equals_agree():
    kept, ignored = np.zeros((3, 2, 4), "int32"), np.full((3, 2, 4), -1, "int32")
    uniform, sharp = np.full((3, 2, 4, 5), 0.7, "float32"), 200.0 * np.eye(5, dtype="float32")[np.abs(LABELS)]
    np.testing.assert_allclose(region_smoothing_loss(uniform, kept), 0.0, atol=1e-6)
    np.testing.assert_allclose(region_entropy_loss(sharp, ignored), 0.0, atol=1e-6)
    np.testing.assert_allclose(region_entropy_loss(uniform, ignored), np.log(5), rtol=1e-6)
    np.testing.assert_array_equal(region_consistency_loss(LOGITS, LOGITS, ignored), 0.0)


def test_gradients_stay_in_their_region():
    keep = LABELS >= 0
    sums = {
        "smoothing": (lambda z: keras.ops.sum(region_smoothing_loss(z, LABELS)), keep),
        "entropy": (lambda z: keras.ops.sum(region_entropy_loss(z, LABELS)), ~keep),
        "consistency": (lambda z: keras.ops.sum(region_consistency_loss(z, TEACHER, LABELS)), ~keep),
    }
    for function, region in sums.values():
        _, (gradient,) = differentiate(function, LOGITS, dtype="float32")
        np.testing.assert_array_equal(np.any(gradient != 0, axis=-1), region)
    _, (_, theirs) = differentiate(
        lambda z, t: keras.ops.sum(region_consistency_loss(z, t, LABELS)), LOGITS, TEACHER, dtype="float32"
    )
    assert not theirs.any()


@pytest.mark.parametrize("shape", [(3, 2), (3, 4, 2), (3, 2, 4, 5)])
def test_refuses_labels_of_another_shape(shape):
    for loss in (region_smoothing_loss, region_entropy_loss):
        with pytest.raises(ValueError, match=r"Received: labels.shape="):
            loss(LOGITS, np.zeros(shape, "int32"))
