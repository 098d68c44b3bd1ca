import numpy as np
import pytest

from keras_ssl.schedules import InfiniteLearningRate, LateAnneal, LinearDecay, WarmupCosine
from tests.schedules.curves import assert_follows, assert_refused, assert_round_trip, assert_scalar, values


@pytest.mark.parametrize("final", [0.0, 0.05])
def test_every_step_equals_the_formula(final):
    base = WarmupCosine(0.4, 60, 10)

    def reference(k):
        p = min(max(k - 25, 0) / 15, 1.0)
        return float(base(min(k, 25))) * (1 - p) + final * p

    assert_follows(LateAnneal(base, 25, 40, final), reference, 70)


def test_no_jump_at_the_join_and_zero_at_the_end():
    base = InfiniteLearningRate(1.0, 0.4, 10, 20)
    schedule = LateAnneal(base, 50, 150)
    np.testing.assert_array_equal(values(schedule, range(51)), values(base, range(51)))
    assert values(schedule, (50, 51, 100, 150, 151, 10**9)) == pytest.approx([0.4, 0.396, 0.2, 0, 0, 0], abs=1e-7)


def test_from_the_first_step_on_a_constant_it_is_linear_decay():
    steps = range(60)
    np.testing.assert_allclose(values(LateAnneal(0.3, 0, 50), steps), values(LinearDecay(0.3, 50), steps), atol=1e-7)


def test_round_trip_and_scalars():
    for schedule in (LateAnneal(WarmupCosine(0.4, 60, 10), 25, 40, 0.1), LateAnneal(0.3, 4, 9)):
        assert_round_trip(schedule)
        assert_scalar(schedule)


@pytest.mark.parametrize(
    "bad",
    [
        {"base": 0.0},
        {"base": float("nan")},
        {"switch_step": -1},
        {"switch_step": 10},
        {"total_steps": 0},
        {"total_steps": float("inf")},
        {"final": -0.1},
    ],
)
def test_rejects_values_out_of_range(bad):
    assert_refused(lambda **more: LateAnneal(**({"base": 1.0, "switch_step": 5, "total_steps": 10} | more)), **bad)
