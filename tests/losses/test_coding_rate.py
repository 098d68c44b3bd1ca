import numpy as np
import pytest

from keras_ssl.losses.coding_rate import coding_rate
from tests.losses.conftest import _compiled, _finite_differences, _value_and_gradients


def reference(z, epsilon=0.5):
    """By the eigenvalues of the other product."""
    n, d = z.shape
    values = np.linalg.eigvalsh(z @ z.T)
    return 0.5 * sum(np.log(1 + d / (n * epsilon) * max(value, 0)) for value in values)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6)])
@pytest.mark.parametrize("epsilon", [0.5, 0.05])
def test_value_and_gradient_equal_the_reference(shape, epsilon, tolerance):
    z = np.random.default_rng(0).normal(size=shape)
    value, (gradient,) = _value_and_gradients(lambda x: coding_rate(x, epsilon), z)
    assert value == pytest.approx(reference(z, epsilon), rel=1e-5)
    (expected,) = _finite_differences(lambda x: reference(x, epsilon), z)
    np.testing.assert_allclose(gradient, expected, atol=max(10 * tolerance, 1e-6))


def test_closed_forms_of_unit_rows():
    even = np.tile(np.eye(4, dtype="float32"), (3, 1))
    assert float(coding_rate(even)) == pytest.approx(4 / 2 * np.log(1 + 1 / 0.5), rel=1e-6)
    equal = np.tile(np.array([[0.6, 0.8, 0, 0]], "float32"), (9, 1))
    assert float(coding_rate(equal)) == pytest.approx(0.5 * np.log(1 + 4 / 0.5), rel=1e-6)


def test_zeros_have_rate_and_gradient_zero():
    value, (gradient,) = _value_and_gradients(coding_rate, np.zeros((4, 3)))
    assert value == 0.0 and not gradient.any()


def test_compiles_for_batches_of_any_size():
    z = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    assert _compiled(coding_rate, z) == pytest.approx(reference(z.astype("float64")), rel=1e-4)


@pytest.mark.parametrize("wrong", [0, -1.0, np.nan, np.inf])
def test_refuses(wrong):
    with pytest.raises(ValueError, match="`epsilon`.*Received: epsilon="):
        coding_rate(np.ones((2, 2)), wrong)


def test_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"Received: z.shape=\(2, 2, 2\)"):
        coding_rate(np.ones((2, 2, 2)))
