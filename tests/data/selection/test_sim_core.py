"""Tests of keras_ssl.data.SimCore."""

import numpy as np
import pytest

from keras_ssl.data import SimCore
from tests.data.selection.reference import unit

pytestmark = pytest.mark.once


def reference(pool, centers, budget, stop_ratio, patience):
    """The choice, by loops and sets."""
    pool, centers = unit(pool), unit(centers)
    chosen, first = [], None
    number = 0
    while len(chosen) < budget:
        number += 1
        taken = {}
        values = []
        for center in centers:
            best, index = -np.inf, None
            for k, sample in enumerate(pool):
                if k not in chosen and float(center @ sample) > best:
                    best, index = float(center @ sample), k
            values.append(best)
            taken[index] = max(best, taken.get(index, -np.inf))
        mean = sum(values) / len(values)
        if first is not None and mean < stop_ratio * first:
            break
        if number == patience and stop_ratio > 0:
            first = mean
        ranked = sorted(taken, key=lambda index: (-taken[index], index))
        chosen += ranked[: budget - len(chosen)]
    return chosen


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    return random.normal(size=(40, 5)) + 0.5, random.normal(size=(7, 5)) + 1.0


@pytest.mark.parametrize("stop_ratio", [0.0, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("patience", [1, 2])
@pytest.mark.parametrize("budget", [1, 6, 17, 40])
def test_equals_the_reference(data, budget, stop_ratio, patience):
    pool, target = data
    found = SimCore(budget, stop_ratio=stop_ratio, patience=patience).select(pool, target)
    assert found.tolist() == reference(pool, target, budget, stop_ratio, patience)
    assert found.dtype == np.int64 and len(set(found.tolist())) == len(found) <= budget


def test_copies_of_the_target_come_first(data):
    pool, target = data
    mixed = np.concatenate([pool[:10], 3.0 * target, pool[10:]])
    found = SimCore(len(target), stop_ratio=0.0).select(mixed, target)
    assert sorted(found.tolist()) == list(range(10, 17))


def test_whole_pool(data):
    pool, target = data
    found = SimCore(len(pool), clusters=3, stop_ratio=0.0).select(pool, target)
    assert sorted(found.tolist()) == list(range(len(pool)))


def test_as_many_clusters_as_samples_are_the_samples(data):
    pool, target = data
    for clusters in (7, 8, 100):
        np.testing.assert_allclose(SimCore(3, clusters=clusters).centers(target), unit(target))
    centers = SimCore(3, clusters=2).centers(target)
    assert centers.shape == (2, 5)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1.0)


def test_a_far_cluster_is_not_taken_with_the_stop_rule():
    random = np.random.default_rng(1)
    near, far = np.eye(8)[0] + 0.05 * random.normal(size=(30, 8)), np.eye(8)[1] + 0.05 * random.normal(size=(30, 8))
    pool, target = np.concatenate([far, near]), np.eye(8)[:1] + 0.05 * random.normal(size=(12, 8))
    stopped = SimCore(60, clusters=4, stop_ratio=0.9).select(pool, target)
    assert (stopped >= 30).all() and len(stopped) >= 20
    assert (SimCore(60, clusters=4, stop_ratio=0.0).select(pool, target) < 30).any()


def test_deterministic_and_scale_free(data):
    pool, target = data
    one = SimCore(10, clusters=3, seed=5).select(pool, target)
    np.testing.assert_array_equal(one, SimCore(10, clusters=3, seed=5).select(pool, target))
    np.testing.assert_array_equal(one, SimCore(10, clusters=3, seed=5).select(100 * pool, 1e-3 * target))
    order = np.random.default_rng(2).permutation(len(pool))
    np.testing.assert_array_equal(order[SimCore(10, clusters=3, seed=5).select(pool[order], target)], one)


def test_facility_location_is_monotone_and_submodular(data):
    pool, target = data
    random = np.random.default_rng(3)

    def value(rows):
        return SimCore.facility_location(pool[sorted(rows)], target)

    assert value([4]) == pytest.approx(sum(unit(target)[k] @ unit(pool)[4] for k in range(7)))
    for _ in range(20):
        order = random.permutation(len(pool))
        small, large, new = set(order[:4].tolist()), set(order[:9].tolist()), int(order[9])
        gain, late = value(small | {new}) - value(small), value(large | {new}) - value(large)
        assert value(small) <= value(large) and gain >= late - 1e-12 and late >= 0


def test_zero_features_are_no_copy():
    assert SimCore(1).select(np.array([[0.0, 0.0], [0.1, 0.0]]), np.array([[1.0, 0.0]])).tolist() == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", 0),
        ("budget", 1.5),
        ("clusters", 0),
        ("stop_ratio", 1.1),
        ("stop_ratio", float("nan")),
        ("patience", 0),
        ("seed", -1),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        SimCore(**{"budget": 1, name: value})


def test_bad_input_is_refused(data):
    pool, target = data
    with pytest.raises(ValueError, match="Received: budget=41"):
        SimCore(41).select(pool, target)
    with pytest.raises(ValueError, match="Received: features="):
        SimCore(1).select(np.where(np.arange(5) == 2, np.nan, pool), target)
    with pytest.raises(ValueError, match="Received: target="):
        SimCore(1).select(pool, target[:0])
    with pytest.raises(ValueError, match="Received: features=.*target="):
        SimCore(1).select(pool, target[:, :4])
