"""The label model: accuracies of simulated functions are recovered; limits; a slow EM."""

import numpy as np
import pytest

from keras_ssl.evaluation import LabelModel

RNG = np.random.default_rng(0)


def simulated(samples, accuracies, coverage, classes, prior=None):
    truth = RNG.choice(classes, size=samples, p=prior)
    votes = np.full((samples, len(accuracies)), -1)
    for j, accuracy in enumerate(accuracies):
        for n in np.flatnonzero(RNG.random(samples) < coverage):
            others = [k for k in range(classes) if k != truth[n]]
            votes[n, j] = truth[n] if RNG.random() < accuracy else RNG.choice(others)
    return votes, truth


@pytest.mark.parametrize("classes", [2, 4])
def test_recovers_accuracies(classes):
    accuracies = np.array([0.9, 0.8, 0.65, 0.75, 0.85])
    votes, truth = simulated(4000, accuracies, 0.8, classes)
    model = LabelModel(classes).fit(votes)
    np.testing.assert_allclose(model.accuracies, accuracies, atol=0.04)
    best = max(np.mean(votes[:, j] == truth) for j in range(5))
    assert np.mean(model.predict(votes) == truth) > best


def test_equals_a_slow_em():
    votes, _ = simulated(30, [0.9, 0.7, 0.6], 0.7, 3)
    prior, a = np.array([0.5, 0.3, 0.2]), np.full(3, 0.5 + 0.5 / 3)
    for _ in range(7):
        posterior = np.zeros((30, 3))
        for n in range(30):
            for k in range(3):
                p = prior[k]
                for j in range(3):
                    if votes[n, j] >= 0:
                        p *= a[j] if votes[n, j] == k else (1 - a[j]) / 2
                posterior[n, k] = p
            posterior[n] /= posterior[n].sum()
        before = posterior
        a = np.array([np.mean([posterior[n, votes[n, j]] for n in range(30) if votes[n, j] >= 0]) for j in range(3)])
    model = LabelModel(3, prior, iterations=7, tolerance=0).fit(votes)
    np.testing.assert_allclose(model.accuracies, a, rtol=1e-9)
    longer = LabelModel(3, prior, iterations=6, tolerance=0).fit(votes)
    np.testing.assert_allclose(longer.predict_proba(votes), before, rtol=1e-9)


def test_one_perfect_function_gives_perfect_labels():
    votes, truth = simulated(200, [1.0, 0.7, 0.6], 1.0, 3)
    assert np.array_equal(LabelModel(3).fit(votes).predict(votes), truth)
    assert np.array_equal(LabelModel(3).fit(votes[:, :1]).predict(votes[:, :1]), truth)


def test_all_abstaining_falls_back_to_the_prior():
    model = LabelModel(3, [0.2, 0.5, 0.3]).fit([[-1, -1], [0, -1]])
    np.testing.assert_allclose(model.predict_proba([[-1, -1]]), [[0.2, 0.5, 0.3]])
    assert model.predict([[-1, -1]]) == [1] and np.isnan(model.accuracies[1])
    np.testing.assert_allclose(LabelModel(4).fit([[-1]]).predict_proba([[-1]]), [[0.25] * 4])


def test_equal_functions_give_the_majority():
    votes = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    assert LabelModel(2).fit(votes).predict(votes).tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "Received: classes=1"),
        ({"prior": [0.5, 0.6]}, "Received: prior="),
        ({"prior": [1.0]}, "Received: prior="),
        ({"prior": [np.nan, 0.5]}, "Received: prior=nan"),
        ({"iterations": 0}, "Received: iterations=0"),
        ({"tolerance": np.nan}, "Received: tolerance=nan"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        LabelModel(**{"classes": 2, **options})


@pytest.mark.parametrize("votes", [[[2, 0]], [[-2, 0]], [[0.5, 0]], [[np.nan, 0]]])
def test_refuses_votes(votes):
    with pytest.raises(ValueError, match="Received: votes="):
        LabelModel(2).fit(votes)


def test_refuses_use_before_fit_and_other_functions():
    with pytest.raises(ValueError, match="Received: accuracies=None"):
        LabelModel(2).predict([[0]])
    with pytest.raises(ValueError, match=r"Received: votes.shape=\(1, 1\)"):
        LabelModel(2).fit([[0, 1]]).predict([[0]])
