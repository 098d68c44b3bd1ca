import numpy as np
import pytest
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier

from keras_ssl.evaluation import NearestMeanClassifier, TransductiveFewShot, few_shot
from tests.evaluation.streams import mixture


class Recorder(NearestMeanClassifier):
    """Keeps what each episode showed it."""

    def __init__(self):
        self.seen = []

    def fit(self, features, labels):
        self.seen.append((features, labels))
        return super().fit(features, labels)

    def predict(self, features):
        self.seen[-1] += (features,)
        return super().predict(features)


def test_episodes():
    """Each feature is its own number, so what was drawn can be read off."""
    features, labels = np.arange(60.0)[:, np.newaxis], np.repeat(list("abcdef"), 10)
    recorder = Recorder()
    few_shot(features, labels, ways=3, shots=2, queries=4, episodes=80, classifier=recorder)
    assert len(recorder.seen) == 80
    for support, names, queries in recorder.seen:
        drawn, counts = np.unique(names, return_counts=True)
        assert len(drawn) == 3 and (counts == 2).all()
        np.testing.assert_array_equal(labels[support[:, 0].astype(int)], names)
        assert len({*support[:, 0], *queries[:, 0]}) == 6 + 12  # no sample twice
        assert set(labels[queries[:, 0].astype(int)]) == set(drawn)
    assert {name for _, names, _ in recorder.seen for name in names} == set("abcdef")
    assert {int(x) for support, *_ in recorder.seen for x in support[:, 0]} == set(range(60))


def test_mean_and_interval():
    features, labels = mixture()
    recorder = Recorder()
    result = few_shot(features, labels, ways=2, shots=1, queries=5, episodes=50, classifier=recorder)
    accuracies = []
    for support, names, queries in recorder.seen:
        truth = [labels[np.all(features.astype("float32") == query, axis=1)][0] for query in queries.astype("float32")]
        accuracies.append(np.mean(NearestMeanClassifier().fit(support, names).predict(queries) == truth))
    assert result.accuracy == pytest.approx(np.mean(accuracies))
    assert result.interval == pytest.approx(1.96 * np.std(accuracies, ddof=1) / 50**0.5)
    assert few_shot(features, labels, ways=2, shots=1, queries=5, episodes=50) == result  # the default classifier
    assert few_shot(features, labels, ways=2, shots=1, queries=5, episodes=50, seed=1) != result


def test_accuracy_of_known_distributions():
    """Two normal classes at distance 2: many shots come near the Bayes rate; no signal near chance."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 500)
    features = rng.standard_normal((1000, 1)) + 2 * labels[:, np.newaxis]
    many = few_shot(features, labels, ways=2, shots=100, queries=50, episodes=100)
    assert many.accuracy == pytest.approx(norm.cdf(1), abs=0.02)
    assert few_shot(features, labels, ways=2, shots=1, queries=50, episodes=100).accuracy < many.accuracy
    chance = few_shot(rng.standard_normal((1000, 4)), labels, ways=2, shots=1, queries=20, episodes=200)
    assert abs(chance.accuracy - 0.5) < 3 * chance.interval < 0.1


@pytest.mark.parametrize("classifier", [TransductiveFewShot(), KNeighborsClassifier(1)])
def test_classifiers_of_any_kind(classifier):
    features, labels = mixture(dtype="float16")
    names = np.array(["ant", "bee", "cat", "dog"])[labels]
    result = few_shot(features, names, ways=3, shots=3, queries=6, episodes=10, classifier=classifier)
    assert result.accuracy > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shots": 4}, r"class b has 4. Received: shots=4, queries=2"),
        ({"ways": 3}, r"must not exceed the 2 classes. Received: ways=3"),
        ({"labels": ["a"] * 10}, r"must not exceed the 1 classes"),
        ({"ways": 1}, r"Received: ways=1"),
        ({"episodes": 1}, r"Received: episodes=1"),
        ({"shots": 0}, r"Received: shots=0"),
        ({"features": np.full((10, 1), np.inf)}, r"must be finite"),
    ],
)
def test_bad_arguments(change, message):
    good = {"features": np.ones((10, 1)), "labels": ["a"] * 6 + ["b"] * 4, "ways": 2, "shots": 1, "queries": 2}
    with pytest.raises(ValueError, match=message):
        few_shot(**good | {"episodes": 2} | change)
