"""Votes of several views: each rule by hand, identities, Jensen's inequality."""

import numpy as np
import pytest

from keras_ssl.evaluation import SelfEnsemble, ensemble_vote
from tests.evaluation.calibration.reference import softmax

RULES = ("mean", "max", "majority")
MEMBERS = softmax(np.random.RandomState(0).normal(size=(5, 40, 3)) * 2)
LABELS = np.random.RandomState(1).randint(0, 3, size=40)


def slow(members, rule):
    """Sample by sample, class by class."""
    out = []
    for n in range(members.shape[1]):
        rows = [member[n] for member in members]
        mean = [sum(row[k] for row in rows) / len(rows) for k in range(3)]
        if rule == "mean":
            out.append(mean)
        elif rule == "max":
            highest = [max(row[k] for row in rows) for k in range(3)]
            out.append([h / sum(highest) for h in highest])
        else:
            votes = [int(np.argmax(row)) for row in rows]
            winner = max(range(3), key=lambda k: (votes.count(k), mean[k]))
            chosen = [row for row, vote in zip(rows, votes, strict=True) if vote == winner]
            out.append([sum(row[k] for row in chosen) / len(chosen) for k in range(3)])
    return np.array(out)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("count", [2, 4, 5])
def test_equals_the_definition(rule, count):
    found = ensemble_vote(MEMBERS[:count], rule)
    np.testing.assert_allclose(found, slow(MEMBERS[:count], rule), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize("rule", RULES)
def test_one_view_and_views_that_agree_change_nothing(rule):
    np.testing.assert_allclose(ensemble_vote(MEMBERS[:1], rule), MEMBERS[0], atol=1e-12)
    np.testing.assert_allclose(ensemble_vote(np.stack([MEMBERS[0]] * 3), rule), MEMBERS[0], atol=1e-12)


def test_majority_predicts_what_most_predict():
    votes = MEMBERS.argmax(axis=2)
    predicted = ensemble_vote(MEMBERS, "majority").argmax(axis=1)
    for n in range(40):
        assert (votes[:, n] == predicted[n]).sum() == max((votes[:, n] == k).sum() for k in range(3))


def test_cross_entropy_of_the_mean_is_at_most_that_of_the_members():
    """Jensen's inequality; for each sample."""
    rows = np.arange(40)
    of_mean = -np.log(ensemble_vote(MEMBERS, "mean")[rows, LABELS])
    of_members = -np.log(MEMBERS[:, rows, LABELS])
    assert (of_mean <= of_members.mean(axis=0) + 1e-12).all() and (of_mean < of_members.mean(axis=0) - 1e-3).any()


def test_the_ensemble_calls_the_model_on_each_view():
    def predict(x):
        return softmax(x)

    views = [lambda x: x, lambda x: x[:, ::-1], lambda x: 0 * x]
    x = np.random.RandomState(0).normal(size=(4, 3))
    ensemble = SelfEnsemble(predict, views, "max")
    members = np.stack([softmax(x), softmax(x)[:, ::-1], np.full((4, 3), 1 / 3)])
    np.testing.assert_allclose(ensemble.members(x), members)
    np.testing.assert_allclose(ensemble(x), slow(members, "max"))
    np.testing.assert_allclose(SelfEnsemble(predict, views[:1])(x), softmax(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ensemble_vote(MEMBERS, "median"), "Received: rule='median'"),
        (lambda: ensemble_vote(MEMBERS[0]), "Received: predictions.shape="),
        (lambda: ensemble_vote(MEMBERS[:0]), "Received: predictions.shape="),
        (lambda: ensemble_vote(3 * MEMBERS), "not logits.. Received: predictions="),
        (lambda: SelfEnsemble(None, [lambda x: x]), "Received: predict=None"),
        (lambda: SelfEnsemble(softmax, []), r"Received: views=\[\]"),
        (lambda: SelfEnsemble(softmax, [3]), r"Received: views=\[3\]"),
        (lambda: SelfEnsemble(softmax, [softmax], "vote"), "Received: rule='vote'"),
        (lambda: SelfEnsemble(lambda x: x, [lambda x: x])(np.ones((2, 3))), "Received: predictions="),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
