"""Tests of keras_ssl.data.OptimalTransportSelection."""

import numpy as np
import pytest

from keras_ssl.data import OptimalTransportSelection

pytestmark = pytest.mark.once


def reference(pool, target, weights, regularization, iterations=5000):
    """The entropic distance, by scaling of the kernel and its primal value."""
    costs = np.array([[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in target] for x in pool])
    strength = regularization * costs.mean()
    mass, other = weights / weights.sum(), np.full(len(target), 1 / len(target))
    kernel = np.exp(-costs / strength) * np.outer(mass, other)
    left, right = np.ones(len(pool)), np.ones(len(target))
    for _ in range(iterations):
        left = mass / (kernel @ right)
        right = other / (kernel.T @ left)
    plan = left[:, None] * kernel * right
    return (plan * costs).sum() + strength * (plan * np.log(plan / np.outer(mass, other))).sum()


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    return random.normal(size=(9, 3)), random.normal(size=(6, 3)) + 0.7


@pytest.mark.parametrize("regularization", [0.1, 1.0])
def test_distance_equals_the_reference(data, regularization):
    pool, target = data
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(pool))
    selection = OptimalTransportSelection(1, regularization, iterations=5000)
    for mass in (np.ones(len(pool)), weights):
        found = selection.distance(pool, target, mass)
        assert found == pytest.approx(reference(pool, target, mass, regularization), rel=1e-7)


def test_little_entropy_gives_the_cost_of_the_best_assignment():
    from scipy.optimize import linear_sum_assignment

    random = np.random.default_rng(2)
    pool, target = random.normal(size=(6, 2)), random.normal(size=(6, 2))
    costs = np.square(pool[:, None] - target).sum(axis=2)
    best = costs[linear_sum_assignment(costs)].mean()
    assert OptimalTransportSelection(1, 1e-3, iterations=20000).distance(pool, target) == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("uniform", [True, False])
def test_scores_are_the_derivative_of_the_distance(data, uniform):
    pool, target = data
    selection = OptimalTransportSelection(1, 0.1, iterations=20000, tolerance=1e-12)
    count = len(pool)
    mass = np.full(count, 1 / count) if uniform else np.random.default_rng(1).dirichlet(np.full(count, 5.0))
    found, expected, step = selection.scores(pool, target, mass), np.empty(count), 1e-5
    for k in range(count):
        direction = np.full(count, -1 / (count - 1))
        direction[k] = 1.0
        # Of the independent reference: the weights stay normalized along this direction.
        above, below = (reference(pool, target, mass + s * step * direction, 0.1) for s in (1, -1))
        expected[k] = (above - below) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found.sum() == pytest.approx(0.0, abs=1e-10)


def test_more_mass_on_the_chosen_lowers_the_distance(data):
    pool, target = data
    selection = OptimalTransportSelection(3)
    chosen = selection.select(pool, target)
    weights = np.ones(len(pool))
    weights[chosen] = 1.3
    assert selection.distance(pool, target, weights) < selection.distance(pool, target)


def test_equal_sets_have_nearly_equal_scores(data):
    pool, _ = data
    own = OptimalTransportSelection(1, 0.005, iterations=20000).scores(pool, pool)
    other = OptimalTransportSelection(1, 0.005, iterations=20000).scores(pool, pool[:3])
    assert np.abs(own).max() < 0.02 * np.abs(other).max()


def test_the_cluster_at_the_target_ranks_first():
    random = np.random.default_rng(3)
    far, near = random.normal(size=(20, 4)) + 6.0, random.normal(size=(15, 4))
    found = OptimalTransportSelection(15).select(np.concatenate([far, near]), random.normal(size=(30, 4)))
    assert sorted(found.tolist()) == list(range(20, 35))


def test_ranks_by_score(data):
    pool, target = data
    selection = OptimalTransportSelection(len(pool))
    found, scores = selection.select(pool, target), selection.scores(pool, target)
    assert found.dtype == np.int64 and sorted(found.tolist()) == list(range(len(pool)))
    assert (np.diff(scores[found]) >= 0).all()


def test_invariances(data):
    pool, target = data
    selection = OptimalTransportSelection(4)
    scores, order = selection.scores(pool, target), np.random.default_rng(4).permutation(len(pool))
    np.testing.assert_allclose(selection.scores(pool[order], target[::-1]), scores[order], atol=1e-7)
    np.testing.assert_allclose(selection.scores(pool + 1e4, target + 1e4), scores, atol=1e-5)
    np.testing.assert_allclose(selection.scores(10 * pool, 10 * target), 100 * scores, rtol=1e-6)


def test_degenerate_sets():
    same = np.ones((4, 2))
    assert OptimalTransportSelection(2).select(same, same).tolist() == [0, 1]
    assert OptimalTransportSelection(2).distance(same, same) == 0.0
    assert OptimalTransportSelection(1).scores(np.ones((1, 2)), np.zeros((3, 2))).tolist() == [0.0]
    assert np.isfinite(OptimalTransportSelection(1, 1e-4).scores(1e3 * np.eye(3), np.zeros((1, 3)))).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", 0),
        ("regularization", 0.0),
        ("regularization", float("nan")),
        ("regularization", float("inf")),
        ("iterations", 0),
        ("tolerance", -1.0),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        OptimalTransportSelection(**{"budget": 1, name: value})


def test_bad_input_is_refused(data):
    pool, target = data
    with pytest.raises(ValueError, match="Received: budget=10"):
        OptimalTransportSelection(10).select(pool, target)
    with pytest.raises(ValueError, match="Received: target="):
        OptimalTransportSelection(1).select(pool, np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="Received: features="):
        OptimalTransportSelection(1).select(pool[:, :2], target)
    for weights in (np.ones(3), np.zeros(9)):
        with pytest.raises(ValueError, match="Received: weights="):
            OptimalTransportSelection(1).scores(pool, target, weights)
