import numpy as np
import pytest

from keras_ssl.evaluation import stratified_subset


def test_takes_its_share_of_every_class():
    labels = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c", "d"], [200, 50, 7, 1]))
    for fraction, counts in ((0.01, [2, 1, 1, 1]), (0.1, [20, 5, 1, 1]), (0.5, [100, 25, 4, 1])):
        chosen = stratified_subset(labels, fraction)
        assert (np.diff(chosen) > 0).all()
        names, found = np.unique(labels[chosen], return_counts=True)
        assert names.tolist() == ["a", "b", "c", "d"] and found.tolist() == counts
    np.testing.assert_array_equal(stratified_subset(labels, 1), np.arange(258))


def test_is_a_function_of_the_seed_and_nested():
    labels = np.random.default_rng(0).integers(0, 5, 1000)
    tenth = stratified_subset(labels, 0.1, seed=3)
    np.random.seed(7)
    np.testing.assert_array_equal(stratified_subset(labels, 0.1, seed=3), tenth)
    assert set(stratified_subset(labels, 0.01, seed=3)) < set(tenth) < set(stratified_subset(labels, 0.3, seed=3))
    assert len(set(tenth) & set(stratified_subset(labels, 0.1, seed=4))) < 30


def test_is_a_fair_draw():
    """Of 40 in two classes of 20, each is among a quarter of the subsets of 5 of each class."""
    counts = np.zeros(40)
    for seed in range(400):
        counts[stratified_subset(np.repeat([0, 1], 20), 0.25, seed)] += 1
    assert np.abs(counts / 400 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 400)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fraction": 0}, "Received: fraction=0"),
        ({"fraction": 1.5}, "Received: fraction=1.5"),
        ({"fraction": float("nan")}, "Received: fraction=nan"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"labels": [[0, 1]]}, "Received: labels.shape="),
        ({"labels": [0.5, 1.0]}, "Received: labels.dtype=float64"),
        ({"labels": []}, "labels"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        stratified_subset(**{"labels": [0, 1], "fraction": 0.5} | arguments)
