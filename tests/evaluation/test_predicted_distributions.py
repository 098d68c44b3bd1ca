"""The distributions that the neighbors' vote and the linear classifier predict."""

import numpy as np
import pytest

from keras_ssl.evaluation import knn_predict, knn_probabilities, linear_predict, linear_probabilities

RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(40, 5)), RNG.normal(size=(15, 5))
Y = np.array(["c", "a", "b", "a"])[np.arange(40) % 4]


def test_vote_equals_loops():
    found = knn_probabilities(X, Y, Z, k=7, temperature=0.3)
    for query, row in zip(Z, found, strict=True):
        similar = [query @ x / np.linalg.norm(query) / np.linalg.norm(x) for x in X]
        votes = dict.fromkeys("abc", 0.0)
        for n in sorted(range(40), key=lambda n: -similar[n])[:7]:
            votes[Y[n]] += np.exp(similar[n] / 0.3)
        np.testing.assert_allclose(row, [votes[c] / sum(votes.values()) for c in "abc"], rtol=1e-9)
    np.testing.assert_array_equal(np.array(list("abc"))[found.argmax(axis=1)], knn_predict(X, Y, Z, 7, 0.3))


def test_linear_is_the_softmax_of_the_minimizer():
    found = linear_probabilities(X, Y, Z, regularization=0.1)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_array_equal(np.array(list("abc"))[found.argmax(axis=1)], linear_predict(X, Y, Z, 0.1))
    # At the minimum of cross-entropy with free offsets the mean prediction of the training part is the classes' share.
    mean = linear_probabilities(X, Y, X, regularization=0.1).mean(axis=0)
    np.testing.assert_allclose(mean, [0.5, 0.25, 0.25], atol=1e-3)


@pytest.mark.parametrize("predict", [knn_probabilities, linear_probabilities])
def test_one_class_unlabeled_samples_and_bad_input(predict):
    options = {"k": 3} if predict is knn_probabilities else {}
    np.testing.assert_array_equal(predict(X[:4], [5] * 4, Z, **options), np.ones((15, 1)))
    labels = np.where(np.arange(40) < 20, np.arange(40) % 2, -1)
    np.testing.assert_allclose(predict(X, labels, Z, **options), predict(X[:20], labels[:20], Z, **options))
    with pytest.raises(ValueError, match="in row 0"):
        predict(X, Y, np.full((1, 5), np.nan), **options)
    with pytest.raises(ValueError, match="Received: "):
        predict(X, Y[:3], Z, **options)
