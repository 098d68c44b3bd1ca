import numpy as np
import pytest

from keras_ssl.schedules import LinearDecay, WarmupCosine, WarmupStableDecay
from tests.schedules.curves import assert_follows, assert_refused, assert_round_trip, assert_scalar, values


def reference(k, peak, total, warmup, decay, start, final, kind):
    if k < warmup:
        return start + (peak - start) * k / warmup
    if k < total - decay:
        return peak
    p = min((k - (total - decay)) / decay, 1.0)
    if kind == "geometric":
        return peak * (final / peak) ** p
    shape = {"linear": 1 - p, "cosine": (1 + np.cos(np.pi * p)) / 2, "sqrt": 1 - np.sqrt(p)}[kind]
    return final + (peak - final) * shape


@pytest.mark.parametrize("kind", ["linear", "cosine", "sqrt", "geometric"])
@pytest.mark.parametrize("lengths", [(40, 10, 12), (40, 0, 40), (40, 25, 15), (2, 1, 1)])
def test_every_step_equals_the_formula(kind, lengths):
    options = (*lengths, 0.1, 0.02, kind)
    assert_follows(WarmupStableDecay(0.4, *options), lambda k: reference(k, 0.4, *options), 50)


def test_landmarks_and_the_default_length():
    schedule = WarmupStableDecay(1.0, 200, 20)
    assert schedule.decay_steps == 20
    assert values(schedule, (0, 20, 100, 180, 190, 200, 10**9)) == pytest.approx([0, 1, 1, 1, 0.5, 0, 0], abs=1e-6)
    assert WarmupStableDecay(1.0, 3).decay_steps == 1


def test_the_total_changes_nothing_before_the_decay():
    one, other = WarmupStableDecay(1.0, 60, 5, 10), WarmupStableDecay(1.0, 500, 5, 10)
    np.testing.assert_array_equal(values(one, range(51)), values(other, range(51)))


def test_a_decay_over_all_steps_is_a_line_or_a_cosine():
    steps = range(60)
    line, cosine = WarmupStableDecay(0.4, 50, 10, 40), WarmupStableDecay(0.4, 50, 10, 40, decay="cosine")
    np.testing.assert_allclose(values(line, steps), values(LinearDecay(0.4, 50, 10), steps), atol=1e-7)
    np.testing.assert_allclose(values(cosine, steps), values(WarmupCosine(0.4, 50, 10), steps), atol=1e-7)


def test_round_trip_and_scalars():
    schedule = WarmupStableDecay(0.4, 100, 10, 20, 0.01, 0.002, "geometric")
    assert_round_trip(schedule)
    assert_scalar(schedule)
    assert_round_trip(WarmupStableDecay(0.4, 100))


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"total_steps": 0},
        {"total_steps": float("inf")},
        {"warmup_steps": -1},
        {"warmup_steps": 10},
        {"decay_steps": 0},
        {"decay_steps": 11},
        {"start": -0.1},
        {"final": -0.1},
        {"final": 2.0},
        {"final": 0.0, "decay": "geometric"},
        {"decay": "root"},
    ],
)
def test_rejects_values_out_of_range(bad):
    assert_refused(lambda **more: WarmupStableDecay(**({"peak": 1.0, "total_steps": 10} | more)), **bad)
