import numpy as np
import pytest

from keras_ssl.losses.frossl_loss import frossl_terms
from tests.losses.conftest import _compiled, _finite_differences, _value_and_gradients


def reference(views):
    number, (n, d) = len(views), views[0].shape
    scaled = [z / np.sqrt([[sum(z[i, j] ** 2 for i in range(n)) for j in range(d)]]) for z in views]
    mean = sum(scaled) / number
    invariance = sum(number * d * np.mean((z - mean) ** 2) for z in scaled)
    regularization = 0.0
    for z in scaled:
        product = np.array([[sum(z[i, j] * z[i, k] for i in range(n)) for k in range(d)] for j in range(d)])
        product /= sum(product[j, j] for j in range(d))
        regularization += 2 * np.log(np.sqrt((product**2).sum()))
    return invariance, regularization


@pytest.mark.parametrize("shape", [(6, 3), (3, 5)])
@pytest.mark.parametrize("term", [0, 1])
def test_values_and_gradients_equal_the_loops(shape, term, tolerance):
    views = list(np.random.default_rng(0).normal(size=(3, *shape)))
    value, gradients = _value_and_gradients(lambda *v: frossl_terms(v)[term], *views)
    assert value == pytest.approx(reference(views)[term], rel=1e-5)
    for mine, theirs in zip(gradients, _finite_differences(lambda *v: reference(v)[term], *views), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=max(10 * tolerance, 1e-6))


def test_closed_forms():
    hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], "float32")
    invariance, regularization = frossl_terms([hadamard, 3 * hadamard])
    assert float(invariance) == pytest.approx(0.0, abs=1e-10)
    assert float(regularization) == pytest.approx(-2 * np.log(4), rel=1e-6)
    equal = np.tile(np.array([[1.0, 2.0, -3.0]], "float32"), (5, 1))
    assert float(frossl_terms([equal, equal])[1]) == pytest.approx(0.0, abs=1e-5)


def test_zeros_give_finite_values_and_gradients():
    value, gradients = _value_and_gradients(lambda a, b: sum(frossl_terms([a, b])), *np.zeros((2, 4, 3)))
    assert np.isfinite(value) and all(np.isfinite(part).all() for part in gradients)


def test_compiles_for_batches_of_any_size():
    views = np.random.default_rng(1).normal(size=(2, 3, 5)).astype("float32")
    assert _compiled(lambda a, b: sum(frossl_terms([a, b])), *views) == pytest.approx(sum(reference(views)), rel=1e-4)


def test_refuses():
    with pytest.raises(ValueError, match="Received: views=1 views"):
        frossl_terms([np.ones((2, 2))])
    with pytest.raises(ValueError, match="Received: shapes"):
        frossl_terms([np.ones((2, 2)), np.ones((2, 3))])
