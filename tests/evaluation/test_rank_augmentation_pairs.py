"""Pairs of augmentations by their gap."""

import pytest

from keras_ssl.evaluation import rank_augmentation_pairs


def test_widest_gap_first_and_only_from_easy_to_hard():
    errors = {"c": 3.0, "a": 1.0, "b": 1.0, "d": 4.0}
    ranked = rank_augmentation_pairs(errors)
    assert ranked[:2] == [("a", "d", 3.0), ("b", "d", 3.0)]
    assert [pair[2] for pair in ranked] == sorted((pair[2] for pair in ranked), reverse=True)
    slow = {(e, h) for e in errors for h in errors if errors[h] > errors[e]}
    assert {pair[:2] for pair in ranked} == slow and len(ranked) == len(slow)
    assert all(gap == errors[hard] - errors[easy] for easy, hard, gap in ranked)


def test_equal_errors_make_no_pair():
    assert rank_augmentation_pairs({"a": 0.5, "b": 0.5}) == []


@pytest.mark.parametrize("errors", [{"a": 1.0}, {}, {"a": 1.0, "b": float("nan")}])
def test_refuses(errors):
    with pytest.raises(ValueError, match="Received: errors="):
        rank_augmentation_pairs(errors)
