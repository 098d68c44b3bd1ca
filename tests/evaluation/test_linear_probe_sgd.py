import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keras_ssl.evaluation import linear_probe, linear_probe_sgd
from keras_ssl.evaluation.linear_probe_sgd import sgd
from keras_ssl.random import normal_array, permutation
from tests.evaluation.streams import mixture


def slow_sgd(features, labels, rates, batch_size, momentum, decay, seed):
    """One sample, one class at a time."""
    classes = labels.max() + 1
    w, b = 0.01 * np.float64(normal_array((features.shape[1], classes), seed)), np.zeros(classes)
    v, c = np.zeros_like(w), np.zeros_like(b)
    for epoch, rate in enumerate(rates):
        order = permutation(len(features), seed, epoch).tolist()
        while order:
            batch, order = order[:batch_size], order[batch_size:]
            gw, gb = np.zeros_like(w), np.zeros_like(b)
            for n in batch:
                share = np.exp(features[n] @ w + b)
                share = share / share.sum()
                for k in range(classes):
                    slope = (share[k] - (labels[n] == k)) / len(batch)
                    gw[:, k] += slope * features[n]
                    gb[k] += slope
            v, c = momentum * v + gw + decay * w, momentum * c + gb + decay * b
            w, b = w - rate * v, b - rate * c
    return np.concatenate([w, b[np.newaxis]])


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.01)])
def test_equals_the_definition(momentum, decay):
    features, labels = mixture(40)
    arguments = ([0.3, 0.2, 0.1], 12, momentum, decay, 5)
    expected = slow_sgd(features, labels, *arguments)
    np.testing.assert_allclose(sgd(features, np.eye(4)[labels], *arguments), expected, rtol=1e-5, atol=1e-8)
    single = features.astype("float32")
    np.testing.assert_allclose(
        sgd(single, np.eye(4, dtype="float32")[labels], *arguments), expected, rtol=1e-4, atol=1e-5
    )


def test_long_training_finds_the_optimum():
    """That of scikit-learn, with the bias as the weight of a constant, so that it decays too."""
    features, labels = mixture(200, dimensions=3)
    rates = [0.5 * (1 + np.cos(np.pi * e / 300)) for e in range(300)]
    weights = sgd(features, np.eye(4)[labels], rates, 200, 0.9, 0.01, 0)
    wider = np.concatenate([features, np.ones((200, 1))], axis=1)
    best = LogisticRegression(C=1 / (0.01 * 200), fit_intercept=False, tol=1e-10, max_iter=5000).fit(wider, labels)
    np.testing.assert_allclose(weights.T, best.coef_, atol=1e-5)


def test_accuracy():
    train, labels = mixture(400, dtype="float16")
    test, truth = mixture(300, seed=1, dtype="float16")
    expected = linear_probe(train, labels, test, truth)
    found = linear_probe_sgd(train, labels, test, truth, epochs=30)
    assert found == pytest.approx(expected, abs=0.03)
    names = np.array(["ant", "bee", "cat", "dog"])
    assert linear_probe_sgd(train, names[labels], test, names[truth], epochs=30) == found
    assert linear_probe_sgd(train * np.float16(8), labels, test * np.float16(8), truth, epochs=30) == found
    raw = linear_probe_sgd(train, labels, test, truth, epochs=30, standardize=False)
    assert raw == pytest.approx(expected, abs=0.05)


def test_odd_input():
    assert linear_probe_sgd(np.eye(3), ["a"] * 3, np.eye(3)[:2], ["a", "b"], epochs=1) == 0.5
    assert linear_probe_sgd(np.ones((4, 2)), [0, 1, 1, 1], np.ones((2, 2)), [1, 0], epochs=50) == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0}, r"Received: learning_rate=0"),
        ({"epochs": 0}, r"Received: epochs=0"),
        ({"batch_size": 0}, r"Received: batch_size=0"),
        ({"momentum": 1.0}, r"Received: momentum=1.0"),
        ({"weight_decay": -1}, r"Received: weight_decay=-1"),
        ({"test_labels": [0]}, r"Received: test_labels.shape"),
        ({"test_features": np.full((3, 3), np.inf)}, r"`test_features` must be finite"),
    ],
)
def test_bad_arguments(change, message):
    data = {"train_features": np.eye(3), "train_labels": [0, 1, 1], "test_features": np.eye(3)}
    with pytest.raises(ValueError, match=message):
        linear_probe_sgd(**data | {"test_labels": [0, 1, 1]} | change)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_is_an_error():
    with pytest.raises(ValueError, match=r"diverged.*Received: learning_rate=1e\+30"):
        linear_probe_sgd(np.eye(3) * 1e9, [0, 1, 2], np.eye(3), [0, 1, 2], 1e30, standardize=False, weight_decay=1.0)
