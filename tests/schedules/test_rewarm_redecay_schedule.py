import numpy as np
import pytest

from keras_ssl.schedules import RewarmRedecaySchedule, WarmupCosine
from tests.schedules.curves import assert_follows, assert_round_trip, assert_scalar, values


def reference(k, peaks, phases, warmups, start=0.0, final=0.0):
    begin = 0
    for i, (peak, steps, warmup) in enumerate(zip(peaks, phases, warmups, strict=True)):
        if k < begin + steps:
            j, low = k - begin, start if i == 0 else final
            if j < warmup:
                return low + (peak - low) * j / warmup
            return final + (peak - final) * (1 + np.cos(np.pi * (j - warmup) / (steps - warmup))) / 2
        begin += steps
    return final


@pytest.mark.parametrize(
    ("peak", "phases", "warmup", "ends"),
    [
        ([0.8, 0.8], [20, 30], [5, 5], ()),
        ([0.8, 0.4, 0.6], [20, 11, 30], [5, 0, 29], (0.1, 0.05)),
        ([0.8], [15], [3], (0.1, 0.0)),
        ([0.8, 0.4], [1, 1], [0, 0], ()),
    ],
)
def test_every_step_equals_the_formula(peak, phases, warmup, ends):
    schedule = RewarmRedecaySchedule(peak, phases, warmup, *ends)
    assert_follows(schedule, lambda k: reference(k, peak, phases, warmup, *ends), sum(phases) + 10)


def test_the_lowest_rate_at_each_join_and_the_peak_after_each_warmup():
    schedule = RewarmRedecaySchedule([1.0, 0.5, 0.7], [100, 40, 60], [10, 20, 5], final=0.1)
    assert values(schedule, (100, 140, 200, 201)) == pytest.approx([0.1] * 4, abs=1e-6)
    assert values(schedule, (10, 120, 145)) == pytest.approx([1.0, 0.5, 0.7], abs=1e-6)
    assert schedule.total_steps == 200


def test_one_data_set_is_warmup_and_cosine():
    ours = RewarmRedecaySchedule(0.4, [60], 10, 0.05, 0.01)
    theirs = WarmupCosine(0.4, 60, 10, 0.05, 0.01)
    np.testing.assert_allclose(values(ours, range(80)), values(theirs, range(80)), rtol=1e-5)


def test_round_trip_and_scalars():
    for schedule in (RewarmRedecaySchedule([1.0, 0.5], (10, 20), [1, 2], 0.2, 0.1, 30), RewarmRedecaySchedule(1, [9])):
        assert_round_trip(schedule)
        assert_scalar(schedule)


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"peak": [1.0]},
        {"peak": [1.0, float("inf")]},
        {"phase_steps": []},
        {"phase_steps": 30},
        {"warmup_steps": 10},
        {"warmup_steps": [1, 2, 3]},
        {"start": -0.1},
        {"final": -0.1},
        {"final": 2.0},
        {"total_steps": 31},
    ],
)
def test_rejects_values_out_of_range(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        RewarmRedecaySchedule(**({"peak": 1.0, "phase_steps": [10, 20]} | bad))


@pytest.mark.parametrize("steps", [[10, 0], [10, -1], [1.5, 2], [float("nan")], [2**30, 2**30, 2**30]])
def test_rejects_lengths_that_are_no_positive_integers(steps):
    with pytest.raises(ValueError, match="`phase_steps`.*Received: phase_steps="):
        RewarmRedecaySchedule(1.0, steps)
