"""Tests of keras_ssl.data.DualStageMixing."""

import numpy as np
import pytest

from keras_ssl.data import DualStageMixing

pytestmark = pytest.mark.once
SPECIALIZED, GENERAL = np.arange(100, 164), np.arange(40)


def test_stage_one_has_no_general_sample():
    for epoch in range(3):
        found = DualStageMixing(SPECIALIZED, GENERAL).indices(1, epoch)
        assert found.dtype == np.int64 and sorted(found.tolist()) == SPECIALIZED.tolist()


@pytest.mark.parametrize(("rehearsal", "count"), [(0.0, 0), (1 / 256, 0), (1 / 128, 1), (0.25, 16), (1.0, 64)])
def test_stage_two_rehearses_the_fraction(rehearsal, count):
    mixing = DualStageMixing(SPECIALIZED, GENERAL, rehearsal)
    for epoch in range(3):
        found = mixing.indices(2, epoch).tolist()
        assert len(set(found)) == len(found) and set(GENERAL.tolist()) <= set(found)
        assert sorted(set(found) - set(GENERAL.tolist())) == mixing.rehearsed.tolist()
    assert len(mixing.rehearsed) == count


def test_no_rehearsal_is_sequential_and_full_rehearsal_is_mixing():
    assert sorted(DualStageMixing(SPECIALIZED, GENERAL, 0.0).indices(2).tolist()) == GENERAL.tolist()
    whole = DualStageMixing(SPECIALIZED, GENERAL, 1.0).indices(2)
    assert sorted(whole.tolist()) == sorted([*SPECIALIZED.tolist(), *GENERAL.tolist()])
    # Mixed: specialized samples are spread over the epoch.
    assert 10 < (whole[:52] >= 100).sum() < 45


def test_each_specialized_sample_is_rehearsed_with_the_same_frequency():
    seeds, rehearsal = 400, 0.25
    counts = np.zeros(64)
    for seed in range(seeds):
        counts[DualStageMixing(SPECIALIZED, GENERAL, rehearsal, seed).rehearsed - 100] += 1
    assert counts.mean() == seeds * rehearsal
    assert np.abs(counts - seeds * rehearsal).max() < 4.5 * np.sqrt(seeds * rehearsal * (1 - rehearsal))


def test_orders_are_a_pure_function_of_seed_stage_and_epoch():
    orders = {
        (seed, stage, epoch): tuple(DualStageMixing(SPECIALIZED, GENERAL, 0.5, seed).indices(stage, epoch))
        for seed in (0, 1)
        for stage in (1, 2)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 8
    assert orders[1, 2, 1] == tuple(DualStageMixing(SPECIALIZED, GENERAL, 0.5, 1).indices(2, 1))


def test_stages_of_one_size_have_orders_of_their_own():
    mixing = DualStageMixing(np.arange(20), np.arange(20, 40), rehearsal=0.0)
    assert not np.array_equal(mixing.indices(1) + 20, mixing.indices(2))


def test_batches_follow_the_order():
    mixing, x = DualStageMixing(SPECIALIZED, GENERAL, 0.5, seed=3), np.arange(200.0)[:, None]
    for stage in (1, 2):
        data = mixing.batches(stage, x, y=np.arange(200) % 7, batch_size=8)
        for epoch in range(2):
            batches = [data[k] for k in range(len(data))]
            seen = np.concatenate([batch["index"] for batch in batches])
            np.testing.assert_array_equal(seen, mixing.indices(stage, epoch)[: len(seen)])
            np.testing.assert_array_equal(np.concatenate([batch["x"] for batch in batches])[:, 0], seen)
            np.testing.assert_array_equal(np.concatenate([batch["y"] for batch in batches]), seen % 7)
            data.on_epoch_end()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specialized", []),
        ("specialized", [1, 1]),
        ("specialized", [-1]),
        ("specialized", [0.5]),
        ("general", np.arange(0)),
        ("general", [3, 3]),
        ("general", [100]),
        ("rehearsal", -0.1),
        ("rehearsal", 1.1),
        ("rehearsal", float("nan")),
        ("seed", -1),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        DualStageMixing(**{"specialized": SPECIALIZED, "general": GENERAL, name: value})


def test_bad_stage_and_short_arrays_are_refused():
    mixing = DualStageMixing(SPECIALIZED, GENERAL)
    with pytest.raises(ValueError, match="Received: stage=3"):
        mixing.indices(3)
    with pytest.raises(ValueError, match="Received: epoch=-1"):
        mixing.indices(1, -1)
    with pytest.raises(ValueError, match="Received: x="):
        mixing.batches(1, np.zeros((163, 2)))
