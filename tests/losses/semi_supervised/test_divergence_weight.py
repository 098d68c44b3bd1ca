"""The weight of two predictions by their divergence: loops in float64, limits, and no gradient."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import divergence_weight
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws


def soft(row):
    e = np.exp(row.astype("float64") - row.max())
    return e / e.sum()


def slow_kl(a, b):
    p, q = soft(a), soft(b)
    return sum(x * np.log(x / y) for x, y in zip(p, q, strict=True)) + sum(
        y * np.log(y / x) for x, y in zip(p, q, strict=True)
    )


@pytest.mark.parametrize("sharpness", [1.0, 0.3])
def test_equals_the_reference(sharpness):
    first, second = draws(6, 4), draws(6, 4, seed=1)
    expected = [np.exp(-sharpness * slow_kl(a, b)) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(divergence_weight(first, second, sharpness), expected, rtol=1e-5)


def test_of_pixels_and_of_coordinates():
    first, second = draws(2, 3, 4, 5), draws(2, 3, 4, 5, seed=1)
    found = np.asarray(divergence_weight(first, second))
    assert found.shape == (2, 3, 4)
    assert found[1, 2, 3] == pytest.approx(np.exp(-slow_kl(first[1, 2, 3], second[1, 2, 3])), rel=1e-4)
    squared = np.exp(-0.5 * ((first.astype("float64") - second) ** 2).sum(axis=-1))
    np.testing.assert_allclose(divergence_weight(first, second, 0.5, "l2"), squared, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", ["kl", "l2"])
def test_is_one_for_equals_symmetric_and_falls_with_the_divergence(kind):
    first, other = draws(5, 3), draws(5, 3, seed=1)
    np.testing.assert_array_equal(divergence_weight(first, first, 7.0, kind), 1.0)
    np.testing.assert_array_equal(divergence_weight(first, other, 0.0, kind), 1.0)
    there, back = (np.asarray(divergence_weight(*pair, 1.0, kind)) for pair in ((first, other), (other, first)))
    np.testing.assert_allclose(there, back, rtol=1e-6)
    steps = [np.asarray(divergence_weight(first, first + size * other, 1.0, kind)) for size in (0.0, 0.5, 1.0, 2.0)]
    for near, far in zip(steps, steps[1:], strict=False):
        assert (far < near).all() and (far >= 0).all()


def test_without_bound_it_is_zero_and_no_gradient_flows():
    far = np.array([[1e4, 0.0]], "float32")
    assert float(divergence_weight(far, -far)[0]) == 0.0
    _, gradients = differentiate(lambda a, b: keras.ops.sum(divergence_weight(a, b)), draws(3, 4), draws(3, 4, seed=1))
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sharpness": -1.0}, "sharpness=-1"),
        ({"sharpness": float("nan")}, "sharpness=nan"),
        ({"divergence": "js"}, "divergence='js'"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        divergence_weight(draws(2, 3), draws(2, 3), **options)
