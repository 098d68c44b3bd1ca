import numpy as np
import pytest

from keras_ssl.schedules import InfiniteLearningRate, WarmupCosine, WarmupStableDecay
from tests.schedules.curves import assert_follows, assert_refused, assert_round_trip, assert_scalar, values


def reference(
    k, peak, constant, warmup, cooldown, total=None, anneal=0, start=0.0, final=None, kind="cosine", alpha=10
):
    final = 0.01 * constant if final is None else final
    if anneal and k >= total - anneal:
        q = min((k - (total - anneal)) / anneal, 1.0)
        return constant * (final / constant) ** q
    if k < warmup:
        return start + (peak - start) * k / warmup
    if k >= warmup + cooldown:
        return constant
    p = (k - warmup) / cooldown
    if kind == "cosine":
        return constant + (peak - constant) / 2 * (1 + np.cos(np.pi * p))
    if kind == "linear":
        return peak - (peak - constant) * p

    def h(x):
        return 1 / np.sqrt(1 + alpha * x) - 1

    return peak + (constant - peak) / h(1.0) * h(p)


@pytest.mark.parametrize("kind", ["cosine", "inverse_sqrt", "linear"])
@pytest.mark.parametrize("anneal", [0, 7])
def test_every_step_equals_the_formula(kind, anneal):
    schedule = InfiniteLearningRate(0.8, 0.3, 6, 11, 40, anneal, 0.1, 0.02, kind, 4.0)
    assert_follows(schedule, lambda k: reference(k, 0.8, 0.3, 6, 11, 40, anneal, 0.1, 0.02, kind, 4.0), 50)


def test_landmarks():
    schedule = InfiniteLearningRate(1.0, 0.4, 10, 20, 100, 30, final=0.004)
    at = dict(
        zip(
            (0, 5, 10, 30, 69, 70, 85, 100, 10**12),
            values(schedule, (0, 5, 10, 30, 69, 70, 85, 100, 10**12)),
            strict=True,
        )
    )
    expected = {0: 0, 5: 0.5, 10: 1, 30: 0.4, 69: 0.4, 70: 0.4, 85: 0.04, 100: 0.004, 10**12: 0.004}
    assert at == pytest.approx(expected, abs=1e-6)


def test_without_annealing_the_rate_is_constant_for_ever():
    schedule = InfiniteLearningRate(1.0, 0.25, 10, 20)
    assert values(schedule, (30, 1000, 2**24 + 1, 2**31 - 1, 10**15)).tolist() == [0.25] * 5
    assert schedule.total_steps is None


def test_late_steps_are_told_apart():
    total = 2**30  # where numbers of float32 lie 64 apart
    late = values(InfiniteLearningRate(1.0, 0.4, 10, 20, total, 100), range(total - 101, total + 1))
    early = values(InfiniteLearningRate(1.0, 0.4, 10, 20, 300, 100), range(199, 301))
    np.testing.assert_array_equal(late, early)


@pytest.mark.parametrize("kind", ["cosine", "inverse_sqrt", "linear"])
def test_no_jump_at_any_boundary(kind):
    schedule = InfiniteLearningRate(1.0, 0.4, 1000, 1000, 4000, 1000, cooldown=kind)
    curve = values(schedule, [k + d for k in (1000, 2000, 3000, 4000) for d in (-1, 0, 1)]).reshape(4, 3)
    assert np.abs(np.diff(curve)).max() < 6e-3
    assert curve[:, 1] == pytest.approx([1.0, 0.4, 0.4, 0.004], rel=1e-6)


def test_values_before_the_annealing_do_not_depend_on_the_total():
    endless = InfiniteLearningRate(1.0, 0.4, 10, 20)
    for total in (60, 200, 10_000):
        ending = InfiniteLearningRate(1.0, 0.4, 10, 20, total, 25)
        steps = range(min(total - 25, 100) + 1)
        np.testing.assert_array_equal(values(ending, steps), values(endless, steps))


def test_a_branch_equals_never_annealing_up_to_its_step():
    endless = InfiniteLearningRate(1.0, 0.4, 10, 20)
    branch = endless.branch(45, 10, final=0.01)
    np.testing.assert_array_equal(values(branch, range(46)), values(endless, range(46)))
    assert float(branch(55)) == pytest.approx(0.01)
    # A branch of a branch begins where it is told to, and its parent is as it was.
    assert float(branch.branch(60, 10)(60)) == pytest.approx(0.4)
    assert float(endless(55)) == pytest.approx(0.4)


def test_the_annealing_is_geometric():
    logs = np.log(values(InfiniteLearningRate(1.0, 0.4, 0, 5, 105, 100, final=1e-4), range(5, 106)))
    np.testing.assert_allclose(np.diff(logs), np.log(1e-4 / 0.4) / 100, rtol=1e-3)


def test_without_cooldown_it_is_warmup_stable_decay():
    ours = InfiniteLearningRate(0.3, 0.3, 10, 0, 60, 20, final=0.01)
    theirs = WarmupStableDecay(0.3, 60, 10, 20, final=0.01, decay="geometric")
    np.testing.assert_allclose(values(ours, range(70)), values(theirs, range(70)), rtol=1e-6)


def test_with_a_constant_as_low_as_the_end_it_is_warmup_and_cosine():
    ours = InfiniteLearningRate(0.3, 0.01, 10, 40, 80, 20, final=0.01)
    theirs = WarmupCosine(0.3, 50, 10, final=0.01)
    np.testing.assert_allclose(values(ours, range(90)), values(theirs, range(90)), rtol=1e-5)


def test_round_trip_and_scalars():
    for schedule in (InfiniteLearningRate(1.0, 0.4, 5, 9, 40, 7, 0.1, 0.02, "linear", 3.0), InfiniteLearningRate(1, 1)):
        assert_round_trip(schedule)
        assert_scalar(schedule)


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"peak": float("inf")},
        {"peak": -1.0},
        {"peak": True},
        {"constant": 2.0},
        {"constant": 0.0},
        {"warmup_steps": -1},
        {"warmup_steps": 1.5},
        {"cooldown_steps": 0},
        {"cooldown_steps": float("nan")},
        {"cooldown_steps": float("inf")},
        {"total_steps": 0, "anneal_steps": 5},
        {"anneal_steps": -1},
        {"anneal_steps": 25, "total_steps": 40},
        {"start": -0.1},
        {"final": 0.0},
        {"final": 0.9},
        {"cooldown": "root"},
        {"curvature": 0.0},
    ],
)
def test_rejects_values_out_of_range(bad):
    rest = {"peak": 1.0, "constant": 0.5, "warmup_steps": 10, "cooldown_steps": 10}
    assert_refused(lambda **more: InfiniteLearningRate(**(rest | more)), **bad)


def test_annealing_needs_an_end_and_branches_a_length():
    with pytest.raises(ValueError, match="Received: total_steps=None, anneal_steps=5"):
        InfiniteLearningRate(1.0, 1.0, anneal_steps=5)
    schedule = InfiniteLearningRate(1.0, 0.5, 10, 10)
    assert_refused(lambda **more: schedule.branch(30, **more), anneal_steps=0)
    with pytest.raises(ValueError, match="must begin at step 20 or later"):
        schedule.branch(19, 5)
