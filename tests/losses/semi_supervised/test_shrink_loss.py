"""The loss of ShrinkMatch: loops in float64, a vector by hand, limits, gradients."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import shrink_loss
from tests.losses.conftest import _finite_differences, _value_and_gradients
from tests.objectives.reference import draws


def slow(p, strong, threshold):
    """Loss and number of removed classes of one sample, class by class."""
    if p.max() >= threshold:
        return 0.0, 0
    order = sorted(range(len(p)), key=lambda k: -p[k])
    for gone in range(1, len(p) - 1):
        left = [order[0], *order[1 + gone :]]
        if p[order[0]] / sum(p[k] for k in left) >= threshold:
            return -p[order[0]] * (strong[order[0]] - np.log(sum(np.exp(strong[k]) for k in left))), gone
    return 0.0, 0


def cases(count, classes, scale):
    logits = scale * draws(count, classes).astype("float64")
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return p, draws(count, classes, seed=1)


@pytest.mark.parametrize(("threshold", "scale"), [(0.95, 3.0), (0.8, 1.0), (0.6, 0.3)])
def test_value_and_gradient_equal_the_reference(threshold, scale):
    p, strong = cases(12, 5, scale)
    expected = [slow(row, s, threshold) for row, s in zip(p, strong.astype("float64"), strict=True)]
    loss, counted, removed = (np.asarray(part) for part in shrink_loss(p.astype("float32"), strong, threshold))
    np.testing.assert_allclose(loss, [value for value, _ in expected], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(removed, [gone for _, gone in expected])
    np.testing.assert_array_equal(counted, removed > 0)
    assert 0 < counted.sum()
    _, (of_p, of_strong) = _value_and_gradients(lambda a, b: keras.ops.sum(shrink_loss(a, b, threshold)[0]), p, strong)
    (slope,) = _finite_differences(
        lambda s: sum(slow(row, t, threshold)[0] for row, t in zip(p, s, strict=True)), strong
    )
    np.testing.assert_allclose(of_strong, slope, atol=1e-5)
    assert not np.any(of_p)


def test_by_hand():
    p = np.array([[0.5, 0.3, 0.15, 0.05]], "float32")
    # 0.5 / 0.7 = 0.714; 0.5 / 0.55 = 0.909; no class may be left alone.
    for threshold, gone in ((0.7, 1), (0.72, 2), (0.9, 2), (0.95, 0)):
        strong = np.array([[1.0, 2.0, 0.5, -1.0]])
        loss, _, removed = shrink_loss(p, strong.astype("float32"), threshold)
        left = {0: [], 1: [1.0, 0.5, -1.0], 2: [1.0, -1.0]}[gone]
        assert float(removed[0]) == gone
        assert float(loss[0]) == pytest.approx(0.5 * (np.log(np.sum(np.exp(left))) - 1.0) if left else 0.0, rel=1e-5)


def test_removed_classes_get_no_gradient():
    p, strong = np.array([[0.5, 0.3, 0.15, 0.05]]), np.array([[1.0, 2.0, 0.5, -1.0]])
    _, (gradient,) = _value_and_gradients(lambda s: keras.ops.sum(shrink_loss(p.astype("float32"), s, 0.72)[0]), strong)
    assert not np.any(gradient[0, 1:3]) and gradient[0, 0] < 0 < gradient[0, 3]


def test_certain_samples_and_two_classes_cost_nothing():
    p, strong = cases(6, 4, 1.0)
    assert not np.any(np.asarray(shrink_loss(p.astype("float32"), strong, 0.0)[0]))
    p, strong = cases(6, 2, 1.0)
    loss, counted, removed = shrink_loss(p.astype("float32"), strong, 0.95)
    assert not np.any(np.asarray(loss)) and not np.any(np.asarray(counted)) and not np.any(np.asarray(removed))


def test_refuses():
    with pytest.raises(ValueError, match="Received: threshold=1.5"):
        shrink_loss(np.ones((1, 3), "float32"), np.ones((1, 3), "float32"), 1.5)
