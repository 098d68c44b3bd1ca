"""The greedy choice of centers."""

from itertools import combinations

import numpy as np
import pytest

from keras_ssl.data import KCenter

pytestmark = pytest.mark.once
RNG = np.random.default_rng(0)


def distances(x):
    return np.linalg.norm(x[:, None] - x[None], axis=-1)


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_the_radius_is_at_most_twice_the_least(budget):
    for _ in range(20):
        x = RNG.normal(size=(9, 2))
        apart = distances(x)
        best = min(apart[list(centers)].min(axis=0).max() for centers in combinations(range(9), budget))
        chosen = KCenter(budget).select(x)
        assert len(set(chosen.tolist())) == budget
        radius = KCenter.radius(x, chosen)
        np.testing.assert_allclose(radius, apart[chosen].min(axis=0).max())
        # The first is the most central one, so for one center the bound holds too.
        assert best - 1e-12 <= radius <= 2 * best + 1e-12


def test_each_choice_is_the_farthest():
    x = RNG.normal(size=(40, 3))
    apart, chosen = distances(x), KCenter(10).select(x)
    assert chosen[0] == np.linalg.norm(x - x.mean(axis=0), axis=1).argmin()
    for place in range(1, 10):
        assert chosen[place] == apart[chosen[:place]].min(axis=0).argmax()


def test_labeled_samples_count_as_chosen():
    x = RNG.normal(size=(30, 3))
    all_of_them = KCenter(8).select(x)
    np.testing.assert_array_equal(KCenter(5).select(x, all_of_them[:3]), all_of_them[3:])


def test_copies_are_chosen_once_each_and_last():
    chosen = KCenter(4).select(np.array([[0.0], [0.0], [5.0], [5.0]]))
    assert sorted(chosen.tolist()) == [0, 1, 2, 3] and set(chosen[:2].tolist()) in ({0, 2}, {0, 3}, {1, 2})


@pytest.mark.parametrize(
    ("features", "labeled", "message"),
    [
        (np.zeros((2, 2)), (), "budget=3"),
        (np.zeros((4, 2)), [0, 1], "budget=3"),
        (np.zeros((4, 2)), [4], "array with 4"),
        (np.full((4, 2), np.nan), (), "NaN"),
    ],
)
def test_refuses(features, labeled, message):
    with pytest.raises(ValueError, match=message):
        KCenter(3).select(features, labeled)
    with pytest.raises(ValueError, match="budget=0"):
        KCenter(0)
