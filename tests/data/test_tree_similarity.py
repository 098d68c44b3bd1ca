import itertools

import numpy as np
import pytest

from keras_ssl.data import tree_similarity, tree_similarity_matrix

HOTEL = {"hotel": {"inform": {"area": {"north": {}}, "price": {"cheap": {}}}, "request": {"phone": None}}}
TRAIN = {"train": {"inform": {"day": {"monday": {}}}}, "hotel": {"inform": {"area": {"south": {}}}}}


def reference(first, second):
    def branches(tree):
        if not tree:
            return [[]]
        return [[label, *rest] for label in tree for rest in branches(tree[label])]

    a, b = branches(first), branches(second)
    depth = max(len(branch) for branch in a + b)
    scores = []
    for start, length in itertools.product(range(depth), range(1, depth + 1)):
        sets = [
            {tuple(branch[start : start + length]) for branch in tree if len(branch) >= start + length}
            for tree in (a, b)
        ]
        if sets[0] | sets[1]:
            scores.append(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
    return np.mean(scores)


def test_equals_the_reference():
    assert tree_similarity(HOTEL, TRAIN) == pytest.approx(reference(HOTEL, TRAIN))
    assert 0 < tree_similarity(HOTEL, TRAIN) < 1


@pytest.mark.parametrize("tree", [HOTEL, TRAIN, {}, {"a": None}])
def test_equal_trees_score_one(tree):
    assert tree_similarity(tree, tree) == 1.0


def test_disjoint_trees_score_zero_and_labels_count_on_their_level_only():
    assert tree_similarity(HOTEL, {"taxi": {"book": {"time": {"noon": {}}}}}) == 0.0
    assert tree_similarity({"a": {"b": {}}}, {"b": {"a": {}}}) == 0.0
    assert tree_similarity({"a": {}}, {}) == 0.0


def test_is_symmetric():
    assert tree_similarity(HOTEL, TRAIN) == tree_similarity(TRAIN, HOTEL)


def test_one_leaf_of_four_levels_has_a_closed_form():
    # Ten views; four of them hold the leaf.
    other = {"hotel": {"inform": {"area": {"south": {}}}}}
    assert tree_similarity({"hotel": {"inform": {"area": {"north": {}}}}}, other) == pytest.approx(0.6)


def test_a_closer_tree_scores_higher():
    near, far = {"a": {"b": {"x": {}}}}, {"a": {"c": {"y": {}}}}
    tree = {"a": {"b": {"z": {}}}}
    assert tree_similarity(tree, near) > tree_similarity(tree, far) > 0


def test_the_matrix_holds_every_pair():
    trees = [HOTEL, TRAIN, {"taxi": {}}, HOTEL]
    matrix = tree_similarity_matrix(trees)
    expected = [[tree_similarity(a, b) for b in trees] for a in trees]
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
    assert matrix.dtype == np.float32


@pytest.mark.parametrize("wrong", ["a", ["a"], {"a": "b"}, {"a": {"b": 1}}, None, 3])
def test_refuses_what_is_no_tree(wrong):
    with pytest.raises(ValueError, match="`first` must be a dict of dicts. Received: first="):
        tree_similarity(wrong, {})


def test_refuses_no_trees():
    with pytest.raises(ValueError, match="Received: trees of length 0"):
        tree_similarity_matrix([])
