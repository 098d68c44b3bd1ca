import numpy as np
import pytest

from keras_ssl.losses.koleo_loss import koleo_loss
from tests.losses.conftest import _compiled, _finite_differences, _value_and_gradients


def reference(z, epsilon=1e-8):
    unit = [row / np.sqrt(row @ row) for row in z]
    total = 0.0
    for i, a in enumerate(unit):
        total += np.log(min(np.sqrt((a - b) @ (a - b)) for j, b in enumerate(unit) if j != i) + epsilon)
    return -total / len(z)


def drawn(n=6, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_value_and_gradient_equal_the_loops(tolerance):
    z = drawn()
    value, (gradient,) = _value_and_gradients(koleo_loss, z)
    assert value == pytest.approx(reference(z), rel=1e-5)
    (expected,) = _finite_differences(reference, z)
    np.testing.assert_allclose(gradient, expected, atol=max(20 * tolerance, 1e-6))


def test_corners_of_a_simplex_have_a_closed_form():
    n = 4
    corners = (np.eye(n) - 1 / n).astype("float32")
    assert float(koleo_loss(corners)) == pytest.approx(-0.5 * np.log(2 * n / (n - 1)), rel=1e-5)


def test_small_distances_are_exact():
    angle = 1e-4
    z = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]], "float32")
    assert float(koleo_loss(z)) == pytest.approx(-np.log(angle), rel=1e-4)


def test_the_neighbor_is_the_nearest_where_embeddings_have_nearly_collapsed():
    z = (drawn(1, 8) + 1e-4 * drawn(40, 8, seed=1)).astype("float32")
    assert float(koleo_loss(z)) == pytest.approx(reference(z.astype("float64")), rel=2e-3)


def test_equal_and_zero_rows_have_finite_values_and_gradients():
    for z in (np.ones((3, 2)), np.zeros((3, 2))):
        value, (gradient,) = _value_and_gradients(koleo_loss, z)
        assert value == pytest.approx(-np.log(1e-8), rel=1e-5) and not gradient.any()


def test_the_length_of_rows_does_not_count():
    z = drawn().astype("float32")
    scales = np.linspace(0.5, 3, 6, dtype="float32")[:, None]
    assert float(koleo_loss(scales * z)) == pytest.approx(float(koleo_loss(z)), rel=1e-5)


def test_compiles_for_batches_of_any_size():
    assert _compiled(koleo_loss, drawn().astype("float32")) == pytest.approx(reference(drawn()), rel=1e-4)


@pytest.mark.parametrize("wrong", [0.0, -1, np.inf, np.nan])
def test_refuses_epsilon(wrong):
    with pytest.raises(ValueError, match="Received: epsilon="):
        koleo_loss(drawn(), wrong)


@pytest.mark.parametrize("shape", [(1, 3), (2, 3, 4)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Received: z.shape="):
        koleo_loss(np.ones(shape))
