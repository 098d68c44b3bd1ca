"""Numbers for pairs of weak labels and a teacher's: a bijection, agreement, merging."""

import numpy as np
import pytest

from keras_ssl.data import SubPseudoLabel

pytestmark = pytest.mark.once
RNG = np.random.default_rng(0)
QUERIES, TEACHERS = RNG.integers(0, 4, 200), RNG.integers(0, 4, 200)


def test_is_a_bijection_of_the_kept_pairs():
    sub = SubPseudoLabel(QUERIES, TEACHERS, 4)
    assert len({tuple(pair) for pair in sub.pairs.tolist()}) == sub.count == 16
    queries, teachers = sub.inverse(sub.labels)
    np.testing.assert_array_equal(queries, QUERIES)
    np.testing.assert_array_equal(teachers, TEACHERS)
    assert sub.transform(*sub.pairs.T).tolist() == list(range(16))


def test_agreement_is_the_class_and_a_perfect_teacher_changes_nothing():
    sub = SubPseudoLabel(QUERIES, TEACHERS, 4)
    same = QUERIES == TEACHERS
    np.testing.assert_array_equal(sub.labels[same], QUERIES[same])
    assert (sub.labels[~same] >= 4).all()
    perfect = SubPseudoLabel(QUERIES, QUERIES, 4)
    assert perfect.count == 4
    np.testing.assert_array_equal(perfect.labels, QUERIES)


@pytest.mark.parametrize(("rare", "expected"), [("query", 0), ("teacher", 2), ("drop", -1)])
def test_rare_pairs_are_merged(rare, expected):
    queries, teachers = [0, 0, 0, 1, 2, 0], [1, 1, 2, 1, 2, 0]
    sub = SubPseudoLabel(queries, teachers, 3, min_count=2, rare=rare)
    assert sub.pairs.tolist() == [[0, 0], [1, 1], [2, 2], [0, 1]]
    assert sub.labels.tolist() == [3, 3, expected, 1, 2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 4], [0, 1], 4), "Received: queries="),
        (([0, 1], [0, -1], 4), "Received: teachers="),
        (([0.5], [0], 4), "Received: queries="),
        (([0, 1], [0], 4), "Received: teachers=1 labels"),
        (([0], [0], 1), "Received: classes=1"),
        (([0], [0], 2, 0), "Received: min_count=0"),
        (([0], [0], 2, 1, "mean"), "Received: rare='mean'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        SubPseudoLabel(*arguments)
    with pytest.raises(ValueError, match="Received: labels="):
        SubPseudoLabel([0], [0], 2).inverse([2])
