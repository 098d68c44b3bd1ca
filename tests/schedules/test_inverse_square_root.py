import numpy as np
import pytest

from keras_ssl.schedules import InverseSquareRoot
from tests.schedules.curves import assert_follows, assert_refused, assert_round_trip, assert_scalar, values


def reference(k, peak, warmup=0, timescale=None, total=None, cooldown=0, start=0.0):
    timescale = timescale or max(warmup, 1)
    if k < warmup:
        return start + (peak - start) * k / warmup
    rate = peak / np.sqrt((timescale + k - warmup) / timescale)
    if cooldown:
        rate *= min(1.0, max(total - k, 0) / cooldown)
    return rate


@pytest.mark.parametrize("options", [(), (10,), (10, 7), (10, 7, 40, 12, 0.1), (10, None, 40, 30), (0, 5, 40, 0)])
def test_every_step_equals_the_formula(options):
    assert_follows(InverseSquareRoot(0.4, *options), lambda k: reference(k, 0.4, *options), 50)


def test_it_is_the_rate_of_the_first_transformer():
    width, warmup = 512, 400
    schedule = InverseSquareRoot((width * warmup) ** -0.5, warmup)
    steps = np.array([1, 100, 399, 400, 401, 4000, 100_000])
    expected = width**-0.5 * np.minimum(steps**-0.5, steps * warmup**-1.5)
    np.testing.assert_allclose(values(schedule, steps), expected, rtol=1e-5)


def test_corners():
    schedule = InverseSquareRoot(1.0, 100, total_steps=1000, cooldown_steps=200)
    assert values(schedule, (0, 100, 800, 1000, 1001, 10**9)) == pytest.approx(
        [0.0, 1.0, np.sqrt(1 / 8), 0.0, 0.0, 0.0], abs=1e-6
    )
    assert InverseSquareRoot(1.0, 100, total_steps=1000).total_steps is None  # it has no end
    assert float(InverseSquareRoot(1.0)(0)) == 1.0


def test_round_trip_and_scalars():
    for schedule in (InverseSquareRoot(0.4, 10, 20, 100, 30, 0.1), InverseSquareRoot(0.4)):
        assert_round_trip(schedule)
        assert_scalar(schedule)


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("inf")},
        {"warmup_steps": -1},
        {"warmup_steps": float("nan")},
        {"timescale": 0},
        {"total_steps": 0},
        {"total_steps": None, "cooldown_steps": 5},
        {"cooldown_steps": -1},
        {"cooldown_steps": 95, "total_steps": 100},
        {"start": -0.1},
    ],
)
def test_rejects_values_out_of_range(bad):
    assert_refused(lambda **more: InverseSquareRoot(**({"peak": 1.0, "warmup_steps": 10} | more)), **bad)
