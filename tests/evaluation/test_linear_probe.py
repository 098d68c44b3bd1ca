import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.datasets import load_digits

from keras_ssl.evaluation import linear_probe


def slow_probe(train, labels, test, truth, regularization):
    """The same convex problem by SciPy, straight from the formula."""
    mean, std = train.mean(0), train.std(0)
    x, z = (train - mean) / std, (test - mean) / std
    classes = labels.max() + 1
    hot = np.eye(classes)[labels]

    def loss(flat):
        w = flat.reshape(classes, -1)
        logits = x @ w[:, :-1].T + w[:, -1]
        normalizer = logsumexp(logits, axis=1, keepdims=True)
        value = np.mean(normalizer[:, 0] - np.sum(hot * logits, axis=1))
        error = (np.exp(logits - normalizer) - hot) / len(x)
        gradient = np.concatenate([error.T @ x + regularization * w[:, :-1], error.sum(0)[:, np.newaxis]], axis=1)
        return value + regularization / 2 * np.sum(w[:, :-1] ** 2), gradient.ravel()

    best = minimize(loss, np.zeros(classes * (x.shape[1] + 1)), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    w = best.x.reshape(classes, -1)
    return np.mean(np.argmax(z @ w[:, :-1].T + w[:, -1], axis=1) == truth)


@pytest.mark.parametrize("regularization", [1e-3, 0.1, 3.0])
def test_equals_the_formula(regularization):
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((4, 6))
    labels, truth = rng.integers(0, 4, 200), rng.integers(0, 4, 500)
    train = (centers[labels] + rng.standard_normal((200, 6))) * [1, 10, 0.1, 1, 5, 1] + 3
    test = (centers[truth] + rng.standard_normal((500, 6))) * [1, 10, 0.1, 1, 5, 1] + 3
    accuracy = linear_probe(train, labels, test, truth, regularization)
    assert accuracy == pytest.approx(slow_probe(train, labels, test, truth, regularization), abs=0.0021)
    assert 0.5 < accuracy < 0.95


def test_digits():
    digits = load_digits()
    x, y = digits.data, digits.target
    assert linear_probe(x[:1200], y[:1200], x[1200:], y[1200:]) > 0.9


def test_what_must_not_matter():
    """Shift and scale of dimensions, constant dimensions, the names of the classes, the floating type."""
    digits = load_digits()
    x, y = digits.data.astype("float32"), digits.target
    train, test = slice(0, 400), slice(1000, 1400)
    expected = linear_probe(x[train], y[train], x[test], y[test])
    moved = (x * np.linspace(0.01, 100, 64) - 7).astype("float64")
    assert linear_probe(moved[train], y[train], moved[test], y[test]) == pytest.approx(expected, abs=0.003)
    wider = np.concatenate([x, np.full((len(x), 1), 0.1, "float32")], axis=1)
    wider[1000:, -1] = 1e6  # constant in training: nothing was learned from it
    assert linear_probe(wider[train], y[train], wider[test], y[test]) == expected
    names = np.array([f"digit {number}" for number in range(10)])
    assert linear_probe(x[train], names[y[train]], x[test], names[y[test]]) == expected
    half = x.astype("float16")
    assert linear_probe(half[train], y[train], half[test], y[test]) == expected


def test_regularization_does_not_depend_on_the_number_of_samples():
    digits = load_digits()
    x, y = digits.data, digits.target
    once = linear_probe(x[:300], y[:300], x[1000:], y[1000:], regularization=0.5)
    thrice = linear_probe(np.tile(x[:300], (3, 1)), np.tile(y[:300], 3), x[1000:], y[1000:], regularization=0.5)
    assert once == pytest.approx(thrice, abs=0.002)
    assert once < linear_probe(x[:300], y[:300], x[1000:], y[1000:])


def test_two_classes_and_one():
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    assert linear_probe(x, [0, 0, 1, 1], [[-5.0], [5.0], [6.0]], [0, 1, 0]) == pytest.approx(2 / 3)
    assert linear_probe(x, ["a"] * 4, [[0.0], [1.0]], ["a", "b"]) == 0.5
    assert linear_probe(np.ones((4, 2)), [0, 1, 1, 1], np.ones((2, 2)), [1, 0]) == 0.5  # collapsed features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regularization": 0}, r"`regularization` must be greater than 0. Received: regularization=0"),
        ({"max_iter": 0}, r"`max_iter` must be a positive integer. Received: max_iter=0"),
        ({"test_features": [[1.0, 2.0]]}, r"same dimension"),
        ({"test_labels": [0, 1]}, r"Received: test_labels.shape=\(2,\)"),
        ({"train_features": [[1.0], [np.nan]]}, r"`train_features` must be finite.*row 1"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "train_features": [[0.0], [1.0]],
        "train_labels": [0, 1],
        "test_features": [[0.0]],
        "test_labels": [0],
    }
    with pytest.raises(ValueError, match=message):
        linear_probe(**arguments | change)
