"""Overlaps, distances of subsets, and conflicts of their gradients."""

import keras
import numpy as np
import pytest

from keras_ssl.evaluation import shift_distance, shift_embedding, subset_conflict, subset_overlap

RNG = np.random.default_rng(0)


def random_subsets(count=6):
    return [RNG.choice(30, size=RNG.integers(4, 15), replace=False) for _ in range(count)]


def test_nested_is_one_and_disjoint_is_zero():
    overlap = subset_overlap([range(10), [2, 3, 3], ["a", "b"], {11, 12, 9}])
    np.testing.assert_allclose(overlap, [[1, 1, 0, 1 / 3], [1, 1, 0, 0], [0, 0, 1, 0], [1 / 3, 0, 0, 1]])


def test_distance_is_symmetric_and_zero_on_the_diagonal():
    distance = shift_distance(random_subsets())
    np.testing.assert_array_equal(distance, distance.T)
    assert np.all(np.diag(distance) == 0) and np.all(distance[~np.eye(6, dtype=bool)] > 0)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_equals_the_eigenvectors_of_the_laplacian(dimensions):
    subsets = random_subsets()
    weights = np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            if i != j:
                a, b = set(subsets[i].tolist()), set(subsets[j].tolist())
                weights[i, j] = len(a & b) / min(len(a), len(b))
    values, vectors = np.linalg.eig(np.diag(weights.sum(axis=1)) - weights)
    places = vectors[:, np.argsort(values)[1 : dimensions + 1]]
    expected = [[np.sqrt(np.sum((a - b) ** 2)) for b in places] for a in places]
    np.testing.assert_allclose(shift_distance(subsets, dimensions), expected, atol=1e-9)


def test_two_cliques_without_a_common_sample_separate_on_the_first_coordinate():
    subsets = [{1, 2, 3}, {2, 3, 4}, {3, 5}, {20, 21}, {21, 22}, {21, 23, 24}]
    place = shift_embedding(subsets, 1)[:, 0]
    np.testing.assert_allclose(np.abs(place), 6**-0.5, atol=1e-9)
    assert len(set(np.sign(place[:3]))) == 1 and np.sign(place[0]) == -np.sign(place[4])
    distance = shift_distance(subsets, 1)
    assert np.allclose(distance[:3, :3], 0, atol=1e-9) and distance[0, 4] == pytest.approx(2 / 6**0.5)


def test_weak_edges_are_left_out():
    subsets = [{1, 2, 3}, {2, 3, 4}, {3, 5}, {5, 20, 21, 22}, {21, 22}]
    cut = shift_embedding(subsets, 1, least_overlap=0.6)[:, 0]
    assert not np.allclose(np.abs(cut), np.abs(shift_embedding(subsets, 1)[:, 0]))


def model_and_data():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    x, y = RNG.normal(size=(4, 5, 3)).astype("float32"), RNG.normal(size=(4, 5, 1)).astype("float32")
    return model, list(zip(x, y, strict=True))


def test_conflict_equals_the_gradients_of_least_squares():
    model, subsets = model_and_data()
    w = model.get_weights()[0].astype("float64")
    gradients = np.stack([(2 * x.T @ (x @ w - y) / len(x)).ravel() for x, y in subsets])
    products = gradients @ gradients.T
    np.testing.assert_allclose(subset_conflict(model, "mse", subsets, normalize=False), products, rtol=1e-4, atol=1e-5)
    length = np.linalg.norm(gradients, axis=1)
    found = subset_conflict(model, "mse", subsets)
    np.testing.assert_allclose(found, products / np.outer(length, length), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.diag(found), 1.0)
    assert np.all(np.diag(subset_conflict(model, "mse", subsets, normalize=False)) > 0)


def test_the_product_is_what_a_step_does_to_the_other_loss():
    model, subsets = model_and_data()
    product = subset_conflict(model, "mse", subsets, normalize=False)[0, 1]
    w = model.get_weights()[0].astype("float64")
    (x, y), (x2, y2) = subsets[:2]
    stepped = w - 1e-5 * 2 * x.T @ (x @ w - y) / len(x)
    fall = np.mean((x2 @ w - y2) ** 2) - np.mean((x2 @ stepped - y2) ** 2)
    assert fall / 1e-5 == pytest.approx(product, rel=1e-3)


def test_a_zero_gradient_agrees_with_nothing_and_nothing_changes():
    model, subsets = model_and_data()
    before = model.get_weights()[0].copy()
    x = subsets[0][0]
    found = subset_conflict(model, "mse", [(x, model.predict(x, verbose=0)), subsets[1]], normalize=True)
    assert np.isfinite(found).all() and found[1, 1] == pytest.approx(1.0)
    exact = subset_conflict(model, lambda y, z: 0.0 * z, subsets[:1])
    assert exact.tolist() == [[0.0]]
    np.testing.assert_array_equal(model.get_weights()[0], before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: subset_overlap([]), r"Received: subsets=\[\]"),
        (lambda: subset_overlap([{1}, set()]), r"Received: subsets\[1\]="),
        (lambda: shift_distance([{1}]), "Received: subsets=1"),
        (lambda: shift_distance([{1}, {2}], 0), "Received: dimensions=0"),
        (lambda: shift_distance([{1}, {2}], 1, np.nan), "Received: least_overlap=nan"),
        (lambda: subset_conflict(None, "mse", []), "Received: model=None"),
        (lambda: subset_conflict(model_and_data()[0], "mse", []), "Received: subsets of type list"),
        (lambda: subset_conflict(model_and_data()[0], "mse", [np.ones(3)]), "Received: subsets of type list"),
        (lambda: subset_conflict(model_and_data()[0], "no", [(1, 2)]), "Received: loss='no'"),
        (lambda: subset_conflict(*model_and_data(), [(1, 2)], variables=[]), r"Received: variables=\[\]"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
