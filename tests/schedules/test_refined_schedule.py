import numpy as np
import pytest

from keras_ssl.schedules import LinearDecay, RefinedSchedule
from tests.schedules.curves import assert_follows, assert_round_trip, assert_scalar, values

NORMS = np.random.default_rng(0).uniform(0.5, 3.0, 41)


def reference(norms, power, smoothing):
    """Loops over steps, in float64."""
    count, half = len(norms), int(smoothing * len(norms) / 2)
    filtered = []
    for t in range(count):
        window = []
        for place in range(t - half, t + half + 1):
            if place < 0:
                window.append(norms[0])
            elif place >= count:
                window.append(norms[2 * count - 1 - place])
            else:
                window.append(norms[place])
        filtered.append(sorted(window)[half])
    weights = [1.0 / g**power for g in filtered]
    rates = [weights[t] * sum(weights[p] for p in range(t + 1, count)) for t in range(count)]
    return [rate / max(rates) for rate in rates]


@pytest.mark.parametrize(("optimizer", "power"), [("sgd", 2), ("adam", 1)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.37, 0.9])
def test_every_step_equals_the_formula(optimizer, power, smoothing):
    expected = reference(NORMS.tolist(), power, smoothing)
    schedule = RefinedSchedule(0.3, NORMS, optimizer, smoothing)
    assert_follows(schedule, lambda k: 0.3 * expected[min(k, 40)], 50)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_constant_norms_give_linear_decay(optimizer):
    schedule = RefinedSchedule(0.3, np.full(51, 7.0), optimizer)
    np.testing.assert_allclose(values(schedule, range(60)), values(LinearDecay(0.3, 50), range(60)), atol=1e-7)


def test_the_last_rate_is_zero_and_the_largest_the_peak():
    rates = values(RefinedSchedule(0.3, NORMS), range(41))
    assert rates[-1] == 0.0 and rates.max() == pytest.approx(0.3) and (rates[:-1] > 0.0).all()


@pytest.mark.parametrize("factor", [1e-12, 1e30])
def test_a_factor_on_all_norms_changes_nothing(factor):
    one, other = RefinedSchedule(0.3, NORMS), RefinedSchedule(0.3, factor * NORMS)
    np.testing.assert_allclose(values(one, range(41)), values(other, range(41)), rtol=1e-5)


def test_falling_then_flat_norms_give_a_warmup_and_rising_ones_a_fast_annealing():
    t = np.arange(200)
    warm = values(RefinedSchedule(1.0, 1.0 + 9.0 * np.exp(-t / 20)), range(200))
    assert warm[0] < 0.05 and 20 < warm.argmax() < 120 and (np.diff(warm[:20]) >= 0.0).all()
    fast = values(RefinedSchedule(1.0, np.where(t < 150, 1.0, 3.0)), range(200))
    line = values(LinearDecay(1.0, 199), range(200))
    assert fast[170] < 0.3 * line[170]


def test_one_outlier_is_filtered_out():
    spiky = np.ones(101)
    spiky[30] = 1000.0
    np.testing.assert_allclose(
        values(RefinedSchedule(1.0, spiky), range(101)), values(RefinedSchedule(1.0, np.ones(101)), range(101))
    )


def test_norms_of_zero_make_no_rate_infinite():
    rates = values(RefinedSchedule(1.0, [0.0] * 30 + [1.0] * 30), range(60))
    assert np.isfinite(rates).all() and rates.max() == 1.0
    assert np.isfinite(values(RefinedSchedule(1.0, [1.0] + [0.0] * 59, smoothing=0.5), range(60))).all()


def test_another_length_stretches_the_curve_and_a_warmup_is_a_factor():
    smooth = 1.0 + np.exp(-np.arange(101) / 30)
    short = values(RefinedSchedule(1.0, smooth, smoothing=0.0), range(101))
    long = values(RefinedSchedule(1.0, smooth, smoothing=0.0, total_steps=401), range(0, 401, 4))
    np.testing.assert_allclose(long, short, atol=0.02)
    warmed = values(RefinedSchedule(1.0, smooth, smoothing=0.0, warmup_steps=10), range(101))
    np.testing.assert_allclose(warmed, short * np.minimum(np.arange(101) / 10, 1.0), atol=1e-6)


def test_round_trip_and_scalars():
    schedule = RefinedSchedule(0.3, NORMS, "adam", 0.2, 60, 5)
    assert_round_trip(schedule)
    assert_scalar(schedule)


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"norms": [1.0]},
        {"norms": [[1.0, 2.0]]},
        {"norms": [1.0, float("nan")]},
        {"norms": [1.0, float("inf")]},
        {"norms": [1.0, -1.0]},
        {"norms": [0.0, 0.0]},
        {"norms": ["a", "b"]},
        {"optimizer": "lion"},
        {"smoothing": 1.0},
        {"smoothing": -0.1},
        {"total_steps": 1},
        {"total_steps": float("inf")},
        {"warmup_steps": 3},
    ],
)
def test_rejects_values_out_of_range(bad):
    name = next(iter(bad))
    with pytest.raises(ValueError, match=f"(?s)`{name}`.*Received: {name}="):
        RefinedSchedule(**({"peak": 1.0, "norms": [1.0, 2.0, 3.0]} | bad))
