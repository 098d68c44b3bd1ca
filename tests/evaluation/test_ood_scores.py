"""Scores of surprise and the area under their curve, against closed forms and counting."""

import numpy as np
import pytest

from keras_ssl.evaluation import area_under_roc, perplexity_scores

pytestmark = pytest.mark.once
RNG = np.random.RandomState(0)


def test_a_uniform_model_is_as_perplexed_as_there_are_classes():
    for classes in (2, 7, 100):
        targets = RNG.randint(0, classes, (3, 5))
        np.testing.assert_allclose(perplexity_scores(np.full((3, 5, classes), 2.0), targets), classes, rtol=1e-12)
        np.testing.assert_allclose(perplexity_scores(np.zeros((3, classes))), classes, rtol=1e-12)


def test_equals_the_definition_token_by_token():
    logits, targets = RNG.normal(size=(4, 6, 5)), RNG.randint(-1, 5, (4, 6))
    targets[3] = -1
    found = perplexity_scores(logits, targets)
    for sample in range(3):
        costs = []
        for token, target in zip(logits[sample], targets[sample], strict=True):
            if target >= 0:
                costs.append(-np.log(np.exp(token[target]) / np.exp(token).sum()))
        assert found[sample] == pytest.approx(np.exp(np.mean(costs)))
    assert np.isnan(found[3])
    p = np.exp(logits[:, 0]) / np.exp(logits[:, 0]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(perplexity_scores(logits[:, 0]), np.exp(-(p * np.log(p)).sum(axis=1)))
    sure = perplexity_scores(np.array([[1000.0, 0.0]]), np.array([0]))
    assert sure[0] == pytest.approx(1.0)


def test_the_area_counts_pairs():
    inside, outside = RNG.randint(0, 6, 30), RNG.randint(2, 9, 20)
    pairs = [1.0 if b > a else 0.5 if b == a else 0.0 for a in inside for b in outside]
    assert area_under_roc(inside, outside) == pytest.approx(np.mean(pairs))
    assert area_under_roc(outside, inside) == pytest.approx(1.0 - np.mean(pairs))
    assert area_under_roc([0.0, 1.0], [2.0, 3.0]) == 1.0
    assert area_under_roc([1.0], [1.0]) == 0.5


def test_refuses():
    with pytest.raises(ValueError, match=r"Received: logits.shape=\(4,\)"):
        perplexity_scores(np.zeros(4))
    with pytest.raises(ValueError, match=r"Received: targets.shape=\(3,\)"):
        perplexity_scores(np.zeros((4, 2)), np.zeros(3, int))
    with pytest.raises(ValueError, match="below 2"):
        perplexity_scores(np.zeros((1, 2)), np.array([2]))
    with pytest.raises(ValueError, match="Received: 0 and 1 scores"):
        area_under_roc([], [1.0])
    with pytest.raises(ValueError, match="without NaN"):
        area_under_roc([np.nan], [1.0])
