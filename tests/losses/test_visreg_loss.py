"""The terms of VISReg against loops and closed forms."""

from statistics import NormalDist

import numpy as np
import pytest

from keras_ssl.losses.visreg_loss import visreg_terms
from tests.losses.conftest import _compiled, _finite_differences, _value_and_gradients
from tests.losses.test_sigreg_loss import drawn


def reference(z, directions, epsilon=1e-4, deviations=None):
    n, d = z.shape
    mean = [sum(z[:, j]) / n for j in range(d)]
    s = [(sum((z[i, j] - mean[j]) ** 2 for i in range(n)) / n) ** 0.5 for j in range(d)]
    scale = sum((1 - value) ** 2 for value in s) / d
    center = sum(value**2 for value in mean) / d
    used = s if deviations is None else deviations
    quantiles = [NormalDist().inv_cdf(r / (n + 1)) for r in range(1, n + 1)]
    shape = 0.0
    for a in directions:
        line = sorted(sum(a[j] * (z[i, j] - mean[j]) / (used[j] + epsilon) for j in range(d)) for i in range(n))
        shape += sum((x - q) ** 2 for x, q in zip(line, quantiles, strict=True)) / n
    return scale, shape / len(directions), center


def test_values_equal_the_loops():
    z, directions = drawn(7, 3, 5)
    for mine, theirs in zip(visreg_terms(z, directions, 1e-2), reference(z, directions, 1e-2), strict=True):
        assert float(mine) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("term", [0, 1, 2])
def test_gradients_equal_finite_differences_with_the_deviation_fixed_in_the_shape(term, tolerance):
    z, directions = drawn(6, 3, 4)
    fixed = z.std(axis=0)
    _, (gradient,) = _value_and_gradients(lambda x: visreg_terms(x, directions)[term], z)
    (expected,) = _finite_differences(lambda x: reference(x, directions, deviations=fixed)[term], z)
    np.testing.assert_allclose(gradient, expected, atol=max(10 * tolerance, 1e-6))


def test_the_shape_does_not_change_the_scale():
    """The gradient of the shape of z = u s is that of the shape of u, over s: no part of it goes through s."""
    z, directions = drawn(6, 2, 4)
    _, (gradient,) = _value_and_gradients(lambda x: visreg_terms(x, directions, 1e-8)[1], z)
    _, (larger,) = _value_and_gradients(lambda x: visreg_terms(x, directions, 1e-8)[1], 10 * z)
    np.testing.assert_allclose(10 * larger, gradient, rtol=2e-3, atol=1e-5)
    assert np.abs(gradient).max() > 1e-3


def test_normal_quantiles_have_the_shape_of_a_normal():
    n = 500
    q = np.array([NormalDist().inv_cdf(r / (n + 1)) for r in range(1, n + 1)], "float32")[::-1, None]
    scale, shape, center = (float(x) for x in visreg_terms(q, np.ones((1, 1), "float32")))
    assert shape < 1e-3 and scale < 1e-3 and center < 1e-10
    uniform = np.linspace(-3, 3, n, dtype="float32")[:, None]
    assert float(visreg_terms(uniform, np.ones((1, 1), "float32"))[1]) > 0.02


def test_collapsed_embeddings_have_finite_values_and_gradients():
    z = np.full((5, 3), 0.5)
    _, directions = drawn()
    value, (gradient,) = _value_and_gradients(lambda x: sum(visreg_terms(x, directions)), z)
    squares = np.mean([NormalDist().inv_cdf(r / 6) ** 2 for r in range(1, 6)])
    assert value == pytest.approx(1.0 + 0.25 + squares, rel=1e-4)  # closed form: scale, center, shape
    assert np.isfinite(gradient).all()


def test_compiles_for_batches_of_any_size():
    z, directions = (x.astype("float32") for x in drawn(7, 3, 5))
    found = _compiled(lambda a, b: sum(visreg_terms(a, b)), z, directions)
    assert found == pytest.approx(sum(reference(z.astype("float64"), directions)), rel=1e-4)


def test_refuses_directions_of_another_width():
    with pytest.raises(ValueError, match="Received: z.shape="):
        visreg_terms(drawn()[0], drawn()[1][:, :2])
