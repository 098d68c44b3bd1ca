import tracemalloc

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from keras_ssl.evaluation import knn_accuracy, knn_predict


def data(train=300, test=120, dimensions=8, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((classes, dimensions))
    labels, truth = rng.integers(0, classes, train), rng.integers(0, classes, test)
    features = centers[labels] + rng.standard_normal((train, dimensions))
    queries = centers[truth] + rng.standard_normal((test, dimensions))
    return features.astype("float32"), labels, queries.astype("float32"), truth


def slow_predict(features, labels, queries, k, temperature):
    """One query, one neighbor at a time, straight from the definition."""
    predictions = []
    for query in queries.astype("float64"):
        similarity = [
            float(query @ key / np.linalg.norm(query) / np.linalg.norm(key)) for key in features.astype("float64")
        ]
        votes = dict.fromkeys(sorted(set(labels.tolist())), 0.0)
        for neighbor in sorted(range(len(features)), key=lambda i: (-similarity[i], i))[:k]:
            votes[labels.tolist()[neighbor]] += np.exp(similarity[neighbor] / temperature)
        predictions.append(max(votes, key=votes.get))
    return np.array(predictions)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (20, 0.07), (20, 1.0), (300, 0.5)])
def test_equals_the_definition_and_scikit_learn(k, temperature, dtype):
    features, labels, queries, truth = data()
    features, queries = features.astype(dtype), queries.astype(dtype)
    predictions = knn_predict(features, labels, queries, k, temperature)
    np.testing.assert_array_equal(predictions, slow_predict(features, labels, queries, k, temperature))
    weighted = KNeighborsClassifier(k, metric="cosine", weights=lambda d: np.exp((1 - d) / temperature))
    weighted.fit(features.astype("float64"), labels)
    np.testing.assert_array_equal(predictions, weighted.predict(queries.astype("float64")))
    accuracy = knn_accuracy(features, labels, queries, truth, k, temperature)
    assert accuracy == pytest.approx(np.mean(predictions == truth), abs=1e-12)
    assert accuracy > 0.6


def test_temperature_between_nearest_neighbor_and_plain_vote():
    features, labels, queries, _ = data(seed=1)
    nearest = knn_predict(features, labels, queries, k=1)
    np.testing.assert_array_equal(knn_predict(features, labels, queries, 20, temperature=1e-4), nearest)
    vote = KNeighborsClassifier(20, metric="cosine").fit(features, labels).predict(queries)
    hot = knn_predict(features, labels, queries, 20, temperature=1e6)
    assert np.mean(vote == hot) > 0.95  # equal but for tied votes, which closeness then decides


def test_a_close_neighbor_outweighs_two_far_ones():
    """exp(1 / 0.5) = 7.39 against 2 * exp(0 / 0.5) = 2, and 2.72 against 2 * 1.65 = 3.30 at tau = 1."""
    features = [[1.0, 0.0], [0.5, 0.75**0.5], [0.5, -(0.75**0.5)]]
    assert knn_predict(features, [0, 1, 1], [[1.0, 0.0]], k=3, temperature=0.5) == [0]
    assert knn_predict(features, [0, 1, 1], [[1.0, 0.0]], k=3, temperature=1.0) == [1]


def test_no_matrix_of_all_distances():
    """60,000 x 1,500 similarities would be 360 MB; a normalized copy of the features and a tile are 19."""
    rng = np.random.default_rng(0)
    features, queries = rng.standard_normal((60_000, 8), "float32"), rng.standard_normal((1500, 8), "float32")
    labels = rng.integers(0, 10, 60_000)
    tracemalloc.start()
    predictions = knn_predict(features.astype("float16"), labels, queries.astype("float16"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    exact = features.astype("float16").astype("float64")
    similarity = queries[:20].astype("float16").astype("float64") @ (exact / np.linalg.norm(exact, axis=1)[:, None]).T
    similarity /= np.linalg.norm(queries[:20].astype("float16").astype("float64"), axis=1)[:, None]
    nearest = np.argsort(-similarity, axis=1)[:, :20]
    weights = np.exp(np.take_along_axis(similarity, nearest, axis=1) / 0.07)
    votes = [np.bincount(labels[n], w, minlength=10) for n, w in zip(nearest, weights, strict=True)]
    np.testing.assert_array_equal(predictions[:20], np.argmax(votes, axis=1))


def test_ties_go_to_the_first():
    features = np.tile([[1.0, 0.0]], (50, 1))
    labels = np.arange(50)[::-1]
    assert knn_predict(features, labels, [[1.0, 0.0]], k=1) == [49]  # the first sample
    assert knn_predict(features, labels, [[1.0, 0.0]], k=5) == [45]  # of 45 to 49 with equal votes, the first class
    mixed = np.concatenate([[[0.0, 1.0]], features, [[2.0, 0.0]], features])
    classes = np.r_[7, np.full(50, 1), 2, np.full(50, 3)]
    assert knn_predict(mixed, classes, [[1.0, 0.0]], k=60) == [1]


def test_scale_and_precision_do_not_matter():
    features, labels, queries, _ = data()
    expected = knn_predict(features, labels, queries)
    scale = np.random.default_rng(0).uniform(0.1, 10, (300, 1)).astype("float32")
    np.testing.assert_array_equal(knn_predict(features * scale, labels, queries * 100), expected)
    half = knn_predict(features.astype("float16"), labels, queries.astype("float16"))
    assert np.mean(half == expected) > 0.97


def test_kinds_of_labels():
    features, labels, queries, truth = data()
    names = np.array(["ant", "bee", "cat", "dog", "eel"])
    expected = names[knn_predict(features, labels, queries)]
    np.testing.assert_array_equal(knn_predict(features, names[labels], queries), expected)
    assert knn_accuracy(features, names[labels], queries, names[truth]) == np.mean(expected == names[truth])
    assert knn_accuracy(features, np.full(300, 3), queries, np.full(120, 3)) == 1.0
    assert knn_accuracy(features, labels, queries, truth + 100) == 0.0


def test_features_of_zeros():
    features = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert knn_predict(features, [5, 6, 7], [[-1.0, 0.0]], k=2, temperature=1.0) == [7]
    assert knn_predict(features, [5, 6, 7], [[0.0, 0.0]], k=3) == [5]  # equally far from all: the first class


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 4}, r"`k` must be an integer from 1 to the number of training features \(3\). Received: k=4"),
        ({"k": 0}, r"Received: k=0"),
        ({"k": 1.5}, r"Received: k=1.5"),
        ({"temperature": 0}, r"`temperature` must be greater than 0. Received: temperature=0"),
        ({"temperature": float("nan")}, r"Received: temperature=nan"),
        ({"train_labels": [0, 1]}, r"`train_labels`.*Received: train_labels.shape=\(2,\)"),
        ({"labels": [0]}, r"`labels`.*Received: labels.shape=\(1,\)"),
        ({"features": [[1.0], [2.0]]}, r"same dimension"),
        ({"features": [[1.0, 2.0], [np.nan, 0.0]]}, r"`features` must be finite.*row 1"),
        (
            {"train_features": np.full((3, 2), np.inf)},
            r"`train_features` must be finite.*row 0 \(3 such rows\)",
        ),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "train_features": np.eye(3)[:, :2] + 1,
        "train_labels": [0, 1, 2],
        "features": np.ones((2, 2)),
        "labels": [0, 1],
        "k": 2,
    }
    with pytest.raises(ValueError, match=message):
        knn_accuracy(**arguments | change)
