"""Tests of keras_ssl.data.MetadataBalancedSampler."""

import math

import numpy as np
import pytest

from keras_ssl.data import MetadataBalancedSampler

pytestmark = pytest.mark.once
TEXTS = ["a red car", "RED balloon", "blue sky", "green tree", "nothing here", "red and blue flag", "reddish tint"]


def test_matches_and_counts():
    sampler = MetadataBalancedSampler(["red", "blue", "green", "violet"], 1)
    assert [found.tolist() for found in sampler.matches(TEXTS)] == [[0], [0], [1], [2], [], [0, 1], [0]]
    assert sampler.counts(TEXTS).tolist() == [4, 2, 1, 0]
    assert MetadataBalancedSampler(["red"], 1, whole_words=True).counts(TEXTS).tolist() == [3]
    assert MetadataBalancedSampler(["red"], 1, case_sensitive=True).counts(TEXTS).tolist() == [3]


@pytest.mark.parametrize(
    ("text", "matches"), [("cat.", True), ("(cat)", True), ("cats", False), ("concat cat", True), ("bobcat", False)]
)
def test_whole_words(text, matches):
    assert len(MetadataBalancedSampler(["cat"], 1, whole_words=True).matches([text])[0]) == matches


def test_probabilities_by_the_formula():
    sampler = MetadataBalancedSampler(["red", "blue", "green"], limit=1.5)
    entries, counts = [[0], [0], [1], [2], [], [0, 1], [0]], {0: 4, 1: 2, 2: 1}
    expected = []
    for own in entries:
        lost = 1.0
        for entry in own:
            lost *= 1.0 - min(1.0, 1.5 / counts[entry])
        expected.append(1.0 - lost)
    np.testing.assert_allclose(sampler.probabilities(TEXTS), expected)


def test_infinity_keeps_what_matches_and_nothing_else():
    assert MetadataBalancedSampler(["red", "blue"], math.inf).select(TEXTS).tolist() == [0, 1, 2, 5, 6]


def test_rare_entries_are_kept_whole():
    texts = ["dog"] * 500 + ["axolotl"] * 10 + ["dog and okapi"] * 3
    for seed in range(5):
        kept = MetadataBalancedSampler(["dog", "axolotl", "okapi"], 10, seed=seed).select(texts)
        assert set(range(500, 513)) <= set(kept.tolist()) and (kept < 500).sum() < 60
        assert kept.dtype == np.int64 and (np.diff(kept) > 0).all()


def test_the_expected_count_of_a_frequent_entry_is_the_limit():
    texts = ["dog"] * 2000
    counts = [len(MetadataBalancedSampler(["dog"], 50, seed=seed).select(texts)) for seed in range(40)]
    assert abs(np.mean(counts) - 50) < 4 * math.sqrt(50 / 40)
    assert 3 < np.std(counts) < 11  # binomial: 7


def test_several_matches_are_several_chances():
    texts = ["dog cat"] * 1000 + ["dog"] * 1000 + ["cat"] * 1000
    kept = np.concatenate([MetadataBalancedSampler(["dog", "cat"], 400, seed=s).select(texts) for s in range(5)])
    shares = np.bincount(kept // 1000, minlength=3) / 5000
    np.testing.assert_allclose(shares, [1 - 0.8**2, 0.2, 0.2], atol=0.025)


def test_draws_follow_the_seed():
    texts = ["dog"] * 300
    one, same, other = (MetadataBalancedSampler(["dog"], 100, seed=seed).select(texts).tolist() for seed in (1, 1, 2))
    assert one == same and one != other


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata", []),
        ("metadata", "red"),
        ("metadata", ["red", ""]),
        ("metadata", ["red", "RED"]),
        ("metadata", ["red", 3]),
        ("limit", 0),
        ("limit", -1.0),
        ("limit", float("nan")),
        ("limit", True),
        ("seed", 0.5),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        MetadataBalancedSampler(**{"metadata": ["red"], "limit": 1, name: value})


@pytest.mark.parametrize("texts", [[], "red", ["red", None], ["green"]])
def test_bad_texts_and_empty_selections_are_refused(texts):
    with pytest.raises(ValueError, match="Received: texts="):
        MetadataBalancedSampler(["red"], 1).select(texts)
