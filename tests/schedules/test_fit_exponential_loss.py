import numpy as np
import pytest

from keras_ssl.schedules import ExponentialLoss, fit_exponential_loss


@pytest.mark.parametrize("a", [2.0, -0.7, 1e-4, 1e5])
@pytest.mark.parametrize("b", [0.005, 0.03, 0.3, 1.5])
@pytest.mark.parametrize("c", [0.0, 3.0, -1.0])
def test_recovers_a_planted_curve_and_its_forecast(a, b, c):
    t = np.arange(40.0)
    fitted = fit_exponential_loss(a * np.exp(-b * t) + c)
    size = abs(a) + abs(c)
    assert fitted.b == pytest.approx(b, rel=1e-4)
    assert fitted.a == pytest.approx(a, rel=1e-4, abs=1e-9 * size)
    assert fitted.c == pytest.approx(c, abs=1e-4 * abs(a) + 1e-9 * size)
    assert float(fitted(400.0)) == pytest.approx(a * np.exp(-400 * b) + c, abs=1e-5 * abs(a) + 1e-9 * size)


def test_well_determined_curves_come_back_to_rounding():
    t = np.arange(20.0)
    fitted = fit_exponential_loss(2.0 * np.exp(-0.25 * t) + 0.5)
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx((2.0, 0.25, 0.5), rel=1e-10)


def test_steps_may_be_uneven_and_begin_anywhere():
    t = np.array([100.0, 103.0, 104.0, 110.0, 125.0, 150.0, 151.0])
    fitted = fit_exponential_loss(2.0 * np.exp(-0.05 * (t - 100)) + 0.5, t)
    assert fitted.b == pytest.approx(0.05, rel=1e-6) and fitted.c == pytest.approx(0.5, rel=1e-6)
    assert float(fitted(100.0)) == pytest.approx(2.5, rel=1e-6)


def test_it_is_the_least_sum_of_squares_of_noisy_losses():
    rng = np.random.default_rng(0)
    t = np.arange(50.0)
    losses = np.exp(-0.1 * t) + 0.3 + 0.02 * rng.normal(size=50)
    fitted = fit_exponential_loss(losses)

    def error(a, b, c):
        return sum((y - a * np.exp(-b * s) - c) ** 2 for s, y in zip(t, losses, strict=True))

    best = error(fitted.a, fitted.b, fitted.c)
    for delta in (-1e-3, 1e-3):
        assert best < error(fitted.a + delta, fitted.b, fitted.c)
        assert best < error(fitted.a, fitted.b + delta, fitted.c)
        assert best < error(fitted.a, fitted.b, fitted.c + delta)
    assert best <= min(error(1.0, b, 0.3) for b in np.geomspace(1e-3, 10, 200))


def test_constant_losses_stay_where_they_are():
    fitted = fit_exponential_loss([0.7] * 5)
    assert fitted.a == 0.0 and float(fitted(1e6)) == 0.7


def test_a_line_is_prolonged_as_far_as_the_slowest_rate_allows():
    line = 1.0 - 0.01 * np.arange(11.0)
    far, near = fit_exponential_loss(line), fit_exponential_loss(line, slowest=0.5)
    assert far(1e9) < near(1e9) < line[-1]
    assert near.b * 10.0 >= 0.5 - 1e-9


def test_closed_form():
    assert float(ExponentialLoss(2.0, 0.5, 1.0)(np.log(4.0))) == pytest.approx(2.0)


@pytest.mark.parametrize("losses", [[1.0, 2.0], [1.0, 2.0, float("nan")], [1.0, 2.0, float("inf")], np.ones((3, 3))])
def test_rejects_losses_that_are_no_curve(losses):
    with pytest.raises(ValueError, match="`losses`.*Received: losses="):
        fit_exponential_loss(losses)


@pytest.mark.parametrize("steps", [[0, 1], [0, 2, 1], [0, 0, 1], [0, 1, float("nan")]])
def test_rejects_steps_that_do_not_increase(steps):
    with pytest.raises(ValueError, match="`steps`.*Received: steps="):
        fit_exponential_loss([3.0, 2.0, 1.0], steps)
    with pytest.raises(ValueError, match="`slowest`.*Received: slowest=0.0"):
        fit_exponential_loss([3.0, 2.0, 1.0], slowest=0.0)
