"""The threshold from a mixture of two Gaussians: separation, shift, likelihood, a closed form."""

import numpy as np
import pytest

from keras_ssl.evaluation import GMMThreshold

pytestmark = pytest.mark.once


def two(low=0.3, high=0.9, spread=0.04, counts=(60, 80), seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(low, spread, counts[0]), rng.normal(high, spread, counts[1])])


@pytest.mark.parametrize("seed", range(3))
def test_separated_scores_are_split_between(seed):
    scores = two(seed=seed)
    threshold = GMMThreshold().fit(scores)
    assert scores[:60].max() < threshold < scores[60:].min()


def test_equal_spreads_and_weights_meet_in_the_middle():
    half = 0.05 * np.linspace(-1, 1, 101)
    assert GMMThreshold().fit(np.concatenate([0.2 + half, 0.8 + half])) == pytest.approx(0.5, abs=1e-4)


def test_equals_the_posteriors_of_sklearn():
    from sklearn.mixture import GaussianMixture

    scores = two(0.4, 0.7, 0.1, (100, 300))
    threshold = GMMThreshold(iterations=1000).fit(scores)
    start = np.array([[scores.min()], [scores.max()]])
    mixture = GaussianMixture(2, means_init=start, tol=1e-9, max_iter=2000, reg_covar=0.0).fit(scores[:, None])
    grid = np.linspace(0.4, 0.7, 30001)
    high = mixture.predict(grid[:, None]) == int(np.argmax(mixture.means_))
    assert threshold == pytest.approx(grid[np.argmax(high)], abs=2e-3)


@pytest.mark.parametrize("policy", ["crossing", "highest"])
def test_moves_with_a_shift_and_a_scale_of_all_scores(policy):
    scores, rule = two(), GMMThreshold(policy=policy)
    assert rule.fit(3 * scores + 5) == pytest.approx(3 * rule.fit(scores) + 5, rel=1e-6)


def test_the_highest_posterior_lies_in_the_upper_cluster():
    scores = two()
    threshold = GMMThreshold(policy="highest").fit(scores)
    assert threshold in scores and threshold > GMMThreshold().fit(scores)


def test_the_likelihood_never_falls():
    rule = GMMThreshold()
    rule.fit(np.random.default_rng(1).uniform(size=200))
    assert len(rule.log_likelihoods) > 3 and np.all(np.diff(rule.log_likelihoods) > -1e-9)


@pytest.mark.parametrize("scores", [np.full(50, 0.6), np.array([0.2, 0.9]), np.array([])])
def test_what_cannot_be_fitted_gives_the_default(scores):
    assert GMMThreshold(default=0.77).fit(scores) == 0.77


def test_each_class_has_its_own():
    scores = np.concatenate([two(0.2, 0.6), two(0.5, 0.95)])
    labels = np.repeat([0, 2], 140)
    found = GMMThreshold(default=0.5).fit_classes(scores, labels, 3)
    assert found[0] == GMMThreshold().fit(scores[:140]) and found[1] == 0.5 and 0.6 < found[2] < 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GMMThreshold(default=float("nan")), "Received: default=nan"),
        (lambda: GMMThreshold(policy="median"), "Received: policy='median'"),
        (lambda: GMMThreshold(iterations=0), "Received: iterations=0"),
        (lambda: GMMThreshold(least=1), "Received: least=1"),
        (lambda: GMMThreshold().fit([0.1, float("nan")]), "Received: scores="),
        (lambda: GMMThreshold().fit_classes([0.1], [0, 1], 2), "Received: labels="),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
