import numpy as np
import pytest

from keras_ssl.schedules import RepeatedCosineDecay, RewarmRedecaySchedule, WarmupCosine
from tests.schedules.curves import assert_follows, assert_refused, assert_round_trip, assert_scalar, values


def reference(k, peak, cycle, warmup, start=0.0, final=0.0, total=None):
    if total is not None and k >= total:
        return final
    j, low = k % cycle, (start if k < cycle else final)
    if j < warmup:
        return low + (peak - low) * j / warmup
    return final + (peak - final) * (1 + np.cos(np.pi * (j - warmup) / (cycle - warmup))) / 2


@pytest.mark.parametrize("options", [(20, 0), (20, 6), (20, 6, 0.3, 0.1), (20, 6, 0.0, 0.1, 60), (1, 0), (7, 6)])
def test_every_step_equals_the_formula(options):
    assert_follows(RepeatedCosineDecay(0.8, *options), lambda k: reference(k, 0.8, *options), 70)


def test_joins_warmups_and_ends():
    schedule = RepeatedCosineDecay(1.0, 50, 10, final=0.1, total_steps=150)
    assert values(schedule, (50, 100, 150, 151, 10**9)) == pytest.approx([0.1] * 5, abs=1e-6)
    assert values(schedule, (10, 60, 110)) == pytest.approx([1.0] * 3, abs=1e-6)
    assert float(schedule(0)) == 0.0


def test_far_cycles_equal_the_second():
    schedule = RepeatedCosineDecay(1.0, 50, 10)
    far = 50 * (2**31 // 50 - 1)  # float32 could not tell its steps apart
    np.testing.assert_array_equal(values(schedule, range(far, far + 50)), values(schedule, range(50, 100)))


def test_one_cycle_is_warmup_and_cosine():
    ours = RepeatedCosineDecay(0.4, 60, 10, 0.05, 0.01, total_steps=60)
    theirs = WarmupCosine(0.4, 60, 10, 0.05, 0.01)
    np.testing.assert_allclose(values(ours, range(80)), values(theirs, range(80)), rtol=1e-5)


def test_equal_data_sets_are_a_rewarm_redecay_schedule():
    ours = RepeatedCosineDecay(0.4, 20, 5, 0.05, 0.01, total_steps=60)
    theirs = RewarmRedecaySchedule(0.4, [20, 20, 20], 5, 0.05, 0.01)
    np.testing.assert_allclose(values(ours, range(80)), values(theirs, range(80)), rtol=1e-5)


def test_round_trip_and_scalars():
    for schedule in (RepeatedCosineDecay(1.0, 50, 10, 0.2, 0.1, 150), RepeatedCosineDecay(1, 5)):
        assert_round_trip(schedule)
        assert_scalar(schedule)


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"cycle_steps": 0},
        {"cycle_steps": float("inf")},
        {"warmup_steps": 10},
        {"warmup_steps": -1},
        {"start": -0.1},
        {"start": float("inf")},
        {"final": -0.1},
        {"final": 2.0},
        {"total_steps": 0},
    ],
)
def test_rejects_values_out_of_range(bad):
    assert_refused(lambda **more: RepeatedCosineDecay(**({"peak": 1.0, "cycle_steps": 10} | more)), **bad)
