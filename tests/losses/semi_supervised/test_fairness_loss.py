"""The fairness penalty of FreeMatch: loops in float64, a closed form, gradients."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import fairness_loss
from tests.losses.conftest import _finite_differences, _value_and_gradients
from tests.objectives.reference import draws

MEANS, HISTOGRAM = np.array([0.5, 0.2, 0.3]), np.array([0.6, 0.0, 0.4])


def slow(strong, used):
    kept = [row for row, mask in zip(strong, used, strict=True) if mask]
    q = [np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in kept]
    mean = np.mean(q, axis=0)
    own = [np.mean([row.argmax() == c for row in q]) for c in range(3)]
    a = [m / h if h > 0 else 0.0 for m, h in zip(MEANS, HISTOGRAM, strict=True)]
    b = [m / h if h > 0 else 0.0 for m, h in zip(mean, own, strict=True)]
    return sum(x / sum(a) * np.log(y / sum(b) + 1e-12) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("used", [[1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1, 1, 0]])
def test_value_and_gradient_equal_the_reference(used):
    strong, used = draws(8, 3), np.array(used, "float32")
    value, (gradient, of_mask) = _value_and_gradients(
        lambda s, u: fairness_loss(s, u, MEANS.astype("float32"), HISTOGRAM.astype("float32")), strong, used
    )
    assert value == pytest.approx(slow(strong.astype("float64"), used), rel=1e-4)
    (expected,) = _finite_differences(lambda s: slow(s, used), strong)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)
    assert not np.any(of_mask)


def test_alike_in_every_class_is_the_negative_entropy_of_a_uniform_one():
    strong = 3 * np.eye(4, dtype="float32")
    even = np.full(4, 0.25, "float32")
    assert float(fairness_loss(strong, np.ones(4, "float32"), even, even)) == pytest.approx(-np.log(4), rel=1e-5)


def test_without_a_used_sample_it_is_zero_and_has_no_gradient():
    even = np.full(3, 1 / 3, "float32")
    value, (gradient,) = _value_and_gradients(
        lambda s: fairness_loss(s, keras.ops.zeros(4), even, even), draws(4, 3), dtype="float32"
    )
    assert value == 0.0 and not np.any(gradient)
