import numpy as np
import pytest

from keras_ssl.merging import loss_barrier

A, B = {"w": np.array([1.0, 2.0])}, {"w": np.array([-3.0, 0.0])}


def test_a_convex_loss_has_none():
    target = np.array([0.5, -1.0])
    found = loss_barrier(lambda weights: float(np.sum((weights["w"] - target) ** 2)), A, B)
    assert found.value == 0.0
    np.testing.assert_allclose(found.shares, np.arange(11) / 10)
    points = found.shares[:, None] * A["w"] + (1 - found.shares[:, None]) * B["w"]
    np.testing.assert_allclose(found.losses, np.sum((points - target) ** 2, axis=1))


@pytest.mark.parametrize("points", [2, 3, 4, 5, 11])
def test_a_concave_loss_has_its_closed_form(points):
    """Of -|w|^2 it is s (1 - s) |A - B|^2."""
    found = loss_barrier(lambda weights: -float(np.sum(weights["w"] ** 2)), A, B, points)
    shares = np.arange(points) / (points - 1)
    np.testing.assert_allclose(found.value, max(shares * (1 - shares)) * 20.0, rtol=1e-12)


def test_unequal_ends_are_taken_into_account():
    """Of a linear loss it is 0, of |w| between 3 and -1 half a triangle's height below the line."""
    assert loss_barrier(lambda weights: 2 * float(weights["w"][0]) + 1, A, B).value == pytest.approx(0, abs=1e-12)
    hill = loss_barrier(lambda weights: -abs(float(weights["w"][0])), A, B, points=5)  # the top at a share of 0.75
    np.testing.assert_allclose(hill.losses, [-3, -2, -1, 0, -1])
    np.testing.assert_allclose(hill.value, 0.75 * 1 + 0.25 * 3)


def test_the_same_network_twice():
    assert loss_barrier(lambda weights: float(np.sin(weights["w"].sum())), A, A).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((lambda weights: 0.0, A, B), {"points": 1}, "`points` must be an integer of at least 2. Received: points=1"),
        ((lambda weights: 0.0, A, {"w": np.ones(3)}), {}, r"of another shape: w \(3,\) instead of \(2,\)"),
        ((lambda weights: 0.0, A, {"v": np.ones(2)}), {}, "missing: w; too many: v"),
        ((lambda weights: float("nan"), A, B), {}, r"`loss\(weights\)` must be a finite number. Received: .*=nan"),
    ],
)
def test_refuses(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        loss_barrier(*arguments, **options)


@pytest.mark.parametrize(
    ("loss", "a", "argument"),
    [
        (None, {"w": np.ones(1)}, "loss"),
        (lambda weights: np.ones(2), {"w": np.ones(1)}, "loss.weights."),
        (lambda weights: "low", {"w": np.ones(1)}, "loss.weights."),
        (lambda weights: 0.0, None, "weights_a"),
    ],
)
def test_the_argument_is_named(loss, a, argument):
    with pytest.raises(ValueError, match=f"^`{argument}` must .*Received: "):
        loss_barrier(loss, a, {"w": np.ones(1)})
