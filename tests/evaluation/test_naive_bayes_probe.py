import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from keras_ssl.evaluation import NaiveBayesProbe, NearestMeanClassifier
from tests.evaluation.streams import mixture, stream


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_scikit_learn(dtype):
    features, labels = mixture(dtype=dtype)
    exact = features.astype("float64")
    probe = stream(NaiveBayesProbe(shared_variance=False), features, labels)
    other = GaussianNB().fit(exact, labels)
    np.testing.assert_allclose(probe.means_, other.theta_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(probe.variances_, other.var_, rtol=1e-8)
    joint = probe.decision_function(features)
    constant = 3 * np.log(2 * np.pi)  # of six dimensions, the same for all classes
    np.testing.assert_allclose(joint - constant, other.predict_joint_log_proba(exact), rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_shared_variance_equals_the_definition(dtype):
    features, labels = mixture(dtype=dtype)
    exact = features.astype("float64")
    probe = NaiveBayesProbe().fit(features, labels)
    within = np.sqrt(np.mean((exact - probe.means_[labels]) ** 2, axis=0))
    scores = np.stack(
        [
            np.log(np.mean(labels == c)) + norm.logpdf(exact, exact[labels == c].mean(axis=0), within).sum(axis=1)
            for c in range(4)
        ],
        axis=1,
    )
    # Up to what is the same for all classes of a sample.
    found = probe.decision_function(features)
    np.testing.assert_allclose(found - found[:, :1], scores - scores[:, :1], rtol=1e-6, atol=1e-5)
    linear = exact @ probe.coef_.T + probe.intercept_
    np.testing.assert_allclose(linear - linear[:, :1], found - found[:, :1], rtol=1e-8, atol=1e-8)


def test_equal_variances_and_frequencies_give_the_nearest_mean():
    rng = np.random.default_rng(0)
    noise = np.concatenate([np.eye(5), -np.eye(5)])  # the same spread in all dimensions
    features = np.concatenate([noise + center for center in rng.standard_normal((3, 5))])
    labels = np.repeat([0, 1, 2], 10)
    queries = rng.standard_normal((200, 5))
    expected = NearestMeanClassifier().fit(features, labels).predict(queries)
    np.testing.assert_array_equal(NaiveBayesProbe().fit(features, labels).predict(queries), expected)


def test_frequencies_are_the_prior():
    features, labels = np.array([[-1.0], [1.0], [-1.0], [1.0], [-1.0], [1.0]]), np.array([0, 0, 1, 1, 1, 1])
    scores = NaiveBayesProbe().fit(features, labels).decision_function([[0.3]])
    assert scores[0, 1] - scores[0, 0] == pytest.approx(np.log(2), abs=1e-12)


def test_order_of_dimensions_does_not_matter():
    features, labels = mixture()
    order = np.random.default_rng(0).permutation(6)
    scores = NaiveBayesProbe().fit(features, labels).decision_function(features)
    moved = NaiveBayesProbe().fit(features[:, order], labels).decision_function(features[:, order])
    np.testing.assert_allclose(moved, scores, atol=1e-9)


def test_few_labels_in_many_dimensions():
    """Independent normal dimensions: near the Bayes rate with ten labels a class, ahead of logistic regression."""
    rng = np.random.default_rng(0)
    shift = 0.3
    labels = np.tile([0, 1], 1010)
    features = rng.standard_normal((2020, 100)) * np.linspace(0.2, 5, 100)
    features += shift * np.linspace(0.2, 5, 100) * (2 * labels - 1)[:, np.newaxis]
    train, test = slice(0, 20), slice(20, None)
    bayes = NaiveBayesProbe().fit(features[train], labels[train]).score(features[test], labels[test])
    logistic = LogisticRegression(max_iter=500).fit(features[train], labels[train])
    assert bayes > logistic.score(features[test], labels[test])
    whole = NaiveBayesProbe().fit(features, labels).score(features, labels)
    assert whole == pytest.approx(norm.cdf(shift * 10), abs=0.01)  # the Bayes rate


def test_bad_smoothing():
    with pytest.raises(ValueError, match=r"`smoothing` must be greater than 0. Received: smoothing=0"):
        NaiveBayesProbe(smoothing=0)
    with pytest.raises(AttributeError, match="not linear"):
        _ = NaiveBayesProbe(shared_variance=False).fit([[0.0], [1.0]], [0, 1]).coef_
