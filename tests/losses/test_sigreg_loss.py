"""SIGReg against integrals, closed forms and loops."""

import numpy as np
import pytest

from keras_ssl.losses.sigreg_loss import sigreg_loss
from tests.losses.conftest import _compiled, _finite_differences, _value_and_gradients


def unit(directions):
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def drawn(n=6, d=3, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 0.3, unit(rng.normal(size=(k, d)))


def reference(z, directions, knots=17, limit=3.0):
    """Direction by direction, knot by knot, by complex numbers."""
    total = 0.0
    for a in directions:
        values = []
        for t in np.linspace(-limit, limit, 2 * knots - 1):  # the whole line
            phi = sum(np.exp(1j * t * (a @ row)) for row in z) / len(z)
            values.append(abs(phi - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2))
        step = limit / (knots - 1)
        total += len(z) * step * (sum(values) - 0.5 * (values[0] + values[-1]))
    return total / len(directions)


@pytest.mark.parametrize(("knots", "limit"), [(17, 3.0), (5, 2.0)])
def test_value_and_gradient_equal_the_loops(knots, limit, tolerance):
    z, directions = drawn()
    value, (gradient,) = _value_and_gradients(lambda x: sigreg_loss(x, directions, knots, limit), z)
    assert value == pytest.approx(reference(z, directions, knots, limit), rel=2e-5)
    (expected,) = _finite_differences(lambda x: reference(x, directions, knots, limit), z)
    np.testing.assert_allclose(gradient, expected, atol=max(10 * tolerance, 1e-6))


@pytest.mark.parametrize("count", [3, 50])
def test_equal_samples_have_a_closed_form(count):
    """phi(t) = exp(i t a.c); at c = 0 the integral over the line is sqrt(2 pi) (1 - 2/sqrt(2) + 1/sqrt(3))."""
    closed = np.sqrt(2 * np.pi) * (1 - np.sqrt(2) + 1 / np.sqrt(3))
    found = sigreg_loss(np.zeros((count, 2), "float32"), np.array([[0.6, 0.8]], "float32"), knots=401, limit=12.0)
    assert float(found) == pytest.approx(count * closed, rel=1e-4)


@pytest.mark.parametrize("count", [20, 80])
def test_a_normal_sample_has_the_expected_value_whatever_its_size(count):
    """E |phi_N - phi|^2 = (1 - phi^2) / N, so the integral is sqrt(2 pi) (1 - 1/sqrt(3)) = 1.0594."""
    z = np.random.default_rng(0).normal(size=(count, 400)).astype("float32")
    axes = np.eye(400, dtype="float32")  # 400 independent samples of one dimension
    found = float(sigreg_loss(z, axes, knots=65, limit=8.0))
    assert found == pytest.approx(np.sqrt(2 * np.pi) * (1 - 3**-0.5), abs=0.15)


def test_a_rotation_of_samples_and_directions_changes_nothing():
    z, directions = drawn()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = sigreg_loss(z @ rotation, directions @ rotation)
    assert float(turned) == pytest.approx(float(sigreg_loss(z, directions)), rel=1e-5)


def test_grows_with_the_distance_from_the_normal():
    z, directions = drawn(200, 3, 50)
    z = z - 0.3
    plain, wide, moved = (float(sigreg_loss(x, directions)) for x in (z, 3 * z, z + 1))
    assert plain < 2 and wide > 5 * plain and moved > 5 * plain


def test_compiles_for_batches_of_any_size():
    z, directions = (x.astype("float32") for x in drawn())
    assert _compiled(sigreg_loss, z, directions) == pytest.approx(reference(z, directions), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"knots": 1}, "knots=1"),
        ({"limit": 0}, "limit=0"),
        ({"limit": np.inf}, "limit=inf"),
        ({"limit": np.nan}, "=nan"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        sigreg_loss(*drawn(), **options)


def test_refuses_directions_of_another_width():
    with pytest.raises(ValueError, match=r"Received: z.shape=\(6, 3\), directions.shape=\(4, 2\)"):
        sigreg_loss(drawn()[0], drawn()[1][:, :2])
