import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_ssl.evaluation import TransductiveFewShot, few_shot
from tests.evaluation.streams import mixture


def episode(shots=2, queries=40, seed=0):
    """A few labelled samples of each of four classes, and queries."""
    features, labels = mixture(400, seed=seed)
    support = np.concatenate([np.flatnonzero(labels == c)[:shots] for c in range(4)])
    rest = np.setdiff1d(np.arange(400), support)[:queries]
    return features[support], labels[support], features[rest], labels[rest]


def slow_rounds(support, labels, queries, weight, neighbors, temperature, rounds):
    """Every sum written out, with the affinity as a matrix."""
    points, labelled = np.concatenate([support, queries]), len(support)
    distance = np.array([[np.sum((a - b) ** 2) for b in points] for a in points])
    near = np.zeros(distance.shape)
    for i, row in enumerate(distance):
        near[i, sorted(range(len(row)), key=lambda j: (j != i, row[j]))[: neighbors + 1]] = 1
    affinity = near @ near.T / (neighbors + 1)
    assert np.linalg.eigvalsh(affinity).min() > -1e-9
    hot = np.eye(4)[labels]

    def assign(cost):
        if temperature == 0:
            return np.concatenate([hot, np.eye(4)[cost[labelled:].argmin(axis=1)]])
        soft = np.exp(-cost[labelled:] / temperature)
        return np.concatenate([hot, soft / soft.sum(axis=1, keepdims=True)])

    def costs(means):
        return np.array([[np.sum((x - m) ** 2) for m in means] for x in points])

    cost = costs([support[labels == c].mean(axis=0) for c in range(4)])
    s = assign(cost)
    values = []
    for number in range(rounds + 1):
        if number:
            s = assign(cost - weight * affinity @ s)
            cost = costs([(s[:, c, np.newaxis] * points).sum(axis=0) / s[:, c].sum() for c in range(4)])
        logs = np.log(s, out=np.zeros_like(s), where=s > 0)
        smooth = sum(affinity[i, j] * s[i] @ s[j] for i in range(len(s)) for j in range(len(s)))
        values.append(np.sum(s * cost) - weight / 2 * smooth + temperature * np.sum(s * logs))
    return s[labelled:].argmax(axis=1), np.array(values)


@pytest.mark.parametrize(("weight", "temperature"), [(0.0, 0.0), (0.7, 0.0), (0.0, 1.0), (0.7, 1.0), (3.0, 0.3)])
def test_equals_the_definition(weight, temperature):
    support, labels, queries, _ = episode()
    probe = TransductiveFewShot(weight, 3, temperature, normalize=False, max_iter=4).fit(support, labels)
    predictions = probe.predict(queries)
    expected, values = slow_rounds(support, labels, queries, weight, 3, temperature, 4)
    np.testing.assert_array_equal(predictions, expected)
    found = np.array(probe.objectives_)
    np.testing.assert_allclose(found, values[: len(found)], rtol=1e-8)


def test_without_smoothness_and_temperature_it_is_k_means():
    """Prototypes of the end are the means of their clusters, and each query is nearest to its own."""
    support, labels, queries, _ = episode()
    probe = TransductiveFewShot(0, temperature=0, normalize=False).fit(support, labels)
    assigned = probe.predict(queries)
    for c in range(4):
        cluster = np.concatenate([support[labels == c], queries[assigned == c]])
        np.testing.assert_allclose(probe.prototypes_[c], cluster.mean(axis=0), atol=1e-9)
    distances = np.linalg.norm(queries[:, np.newaxis] - probe.prototypes_, axis=2)
    np.testing.assert_array_equal(assigned, distances.argmin(axis=1))
    assert len(probe.objectives_) > 2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("weight", "temperature"), [(0.5, 1.0), (5.0, 0.1), (2.0, 0.0), (0.0, 0.05)])
def test_the_objective_never_rises(seed, weight, temperature):
    support, labels, queries, _ = episode(seed=seed)
    probe = TransductiveFewShot(weight, temperature=temperature).fit(support, labels)
    probe.predict(queries)
    assert (np.diff(probe.objectives_) <= 1e-9 * np.abs(probe.objectives_[0])).all()


def test_separated_classes_are_found():
    rng = np.random.default_rng(0)
    truth = np.arange(100) % 4
    queries = 10 * np.eye(4)[truth] + rng.standard_normal((100, 4))
    probe = TransductiveFewShot().fit(10 * np.eye(4) + rng.standard_normal((4, 4)), list("abcd"))
    names = np.array(list("abcd"))[truth]
    assert (probe.predict(queries) == names).all() and probe.score(queries, names) == 1


def test_queries_help_each_other():
    """Handwritten digits, one labelled sample each."""
    digits = load_digits()
    features = digits.data / np.linalg.norm(digits.data, axis=1, keepdims=True)
    alone = few_shot(features, digits.target, episodes=40)
    together = few_shot(features, digits.target, episodes=40, classifier=TransductiveFewShot())
    assert together.accuracy > alone.accuracy + 0.05


def test_order_scale_blocks_and_precision(monkeypatch):
    support, labels, queries, _ = episode()
    expected = TransductiveFewShot().fit(support, labels).predict(queries)
    order = np.random.default_rng(0).permutation(len(queries))
    np.testing.assert_array_equal(TransductiveFewShot().fit(support, labels).predict(queries[order]), expected[order])
    np.testing.assert_array_equal(TransductiveFewShot().fit(9 * support, labels).predict(2 * queries), expected)
    half = TransductiveFewShot().fit(support.astype("float16"), labels).predict(queries.astype("float16"))
    assert np.mean(half == expected) > 0.97
    monkeypatch.setattr(sys.modules["keras_ssl.evaluation.spectrum"], "_BLOCK", 7 * (len(queries) + 8))
    np.testing.assert_array_equal(TransductiveFewShot().fit(support, labels).predict(queries), expected)


def test_odd_input():
    assert TransductiveFewShot().fit(np.ones((2, 2)), ["a", "a"]).predict([[0.0, 0.0]]).tolist() == ["a"]
    many = TransductiveFewShot(neighbors=50).fit(np.eye(2), [0, 1])  # more neighbors than samples
    assert many.predict([[0.9, 0.1], [0.1, 0.9]]).tolist() == [0, 1]
    alike = TransductiveFewShot().fit(np.zeros((2, 2)), [0, 1]).predict(np.zeros((3, 2)))
    assert set(alike) <= {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regularization": -1}, r"Received: regularization=-1"),
        ({"temperature": float("nan")}, r"Received: temperature=nan"),
        ({"neighbors": 0}, r"Received: neighbors=0"),
        ({"max_iter": 0}, r"Received: max_iter=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransductiveFewShot(**arguments)


def test_bad_features():
    with pytest.raises(ValueError, match="call `fit` first"):
        TransductiveFewShot().predict(np.eye(2))
    with pytest.raises(ValueError, match="same dimension"):
        TransductiveFewShot().fit(np.eye(2), [0, 1]).predict(np.eye(3))
    with pytest.raises(ValueError, match="row 1"):
        TransductiveFewShot().fit(np.eye(2), [0, 1]).predict([[0.0, 0.0], [np.nan, 0.0]])
