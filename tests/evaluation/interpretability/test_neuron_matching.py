"""Matching of neurons: permutations are found, scores are ordered, scale and shift change nothing."""

import itertools

import numpy as np
import pytest

from keras_ssl.evaluation import neuron_matching, sparse_neuron_prediction, spectral_neuron_clusters

RNG = np.random.default_rng(0)


def slow_correlations(x, y):
    result = np.zeros((x.shape[1], y.shape[1]))
    for i in range(x.shape[1]):
        for j in range(y.shape[1]):
            a, b = x[:, i] - x[:, i].mean(), y[:, j] - y[:, j].mean()
            result[i, j] = np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))
    return result


@pytest.mark.parametrize("method", ["bipartite", "greedy", "semi"])
def test_finds_a_permutation_of_scaled_and_shifted_neurons(method):
    x = np.maximum(RNG.normal(size=(60, 7)), 0)
    order = RNG.permutation(7)
    found = neuron_matching(x, (x * RNG.uniform(0.1, 9, 7) + RNG.normal(size=7))[:, order], method)
    np.testing.assert_array_equal(order[found.columns], np.arange(7))
    assert found.score == pytest.approx(1.0) and found.correlations.min() == pytest.approx(1.0)


def test_the_sign_counts():
    x = RNG.normal(size=(30, 1))
    assert neuron_matching(x, -x).score == pytest.approx(-1.0)


@pytest.mark.parametrize("width", [3, 4, 6])
def test_is_the_best_of_all_assignments_and_greedy_and_row_maxima_bound_it(width):
    x = RNG.normal(size=(40, 4))
    y = x @ RNG.normal(size=(4, width)) + RNG.normal(size=(40, width))
    matrix = slow_correlations(x, y)
    found = neuron_matching(x, y)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-12)
    if width >= 4:
        best = max(sum(matrix[i, p[i]] for i in range(4)) / 4 for p in itertools.permutations(range(width), 4))
    else:
        best = max(sum(matrix[p[j], j] for j in range(3)) / 3 for p in itertools.permutations(range(4), 3))
    assert found.score == pytest.approx(best)
    assert neuron_matching(x, y, "greedy").score <= found.score + 1e-12
    paired = found.columns >= 0
    assert paired.sum() == min(4, width) and np.isnan(found.correlations[~paired]).all()
    assert found.score <= matrix.max(axis=1)[paired].mean() + 1e-12
    assert neuron_matching(x, y, "semi").score == pytest.approx(matrix.max(axis=1).mean())


def test_greedy_takes_the_highest_pair_first():
    # Orthogonal columns, so that correlations are the mixing weights: greedy takes .9 and leaves -.1, together less.
    basis = np.linalg.qr(RNG.normal(size=(50, 5)) - 0)[0]
    basis = np.linalg.qr(basis - basis.mean(axis=0))[0]
    x = basis[:, :2]
    weights = np.array([[0.9, 0.8], [0.4, -0.1]])
    rest = np.sqrt(1 - (weights**2).sum(axis=0))
    y = x @ weights + basis[:, 2:4] * rest
    greedy, best = neuron_matching(x, y, "greedy"), neuron_matching(x, y)
    np.testing.assert_allclose(greedy.matrix, weights, atol=1e-9)
    assert greedy.columns.tolist() == [0, 1] and best.columns.tolist() == [1, 0]
    assert greedy.score == pytest.approx(0.4) and best.score == pytest.approx(0.6)


def test_independent_noise_is_near_zero_and_constants_are_zero():
    x, y = RNG.normal(size=(2, 20000, 4))
    assert abs(neuron_matching(x, y).score) < 0.03
    y[:, 2] = 0.1
    assert np.all(neuron_matching(x, y).matrix[:, 2] == 0.0)


def slow_lasso(x, y, penalty, sweeps=2000):
    """Coordinate descent, one weight after another."""
    x, y = ((part - part.mean(axis=0)) / part.std(axis=0) for part in (x, y))
    weights = np.zeros((x.shape[1], y.shape[1]))
    for j in range(y.shape[1]):
        for _ in range(sweeps):
            for i in range(x.shape[1]):
                rest = y[:, j] - x @ weights[:, j] + x[:, i] * weights[i, j]
                product = np.mean(x[:, i] * rest)
                weights[i, j] = np.sign(product) * max(abs(product) - penalty, 0.0)
    return weights


@pytest.mark.parametrize("penalty", [0.0, 0.05, 0.3])
def test_sparse_prediction_equals_coordinate_descent(penalty):
    x = RNG.normal(size=(50, 4)) + np.array([3, 0, -1, 0])
    y = 5 * x @ RNG.normal(size=(4, 2)) + RNG.normal(size=(50, 2))
    weights, explained = sparse_neuron_prediction(x, y, penalty)
    np.testing.assert_allclose(weights, slow_lasso(x, y, penalty), atol=1e-4)
    assert np.all(explained <= 1) and np.all(explained > 0.3)


def test_one_neuron_split_in_two_is_predicted_from_both_only():
    a, b, c = RNG.normal(size=(3, 4000))
    weights, explained = sparse_neuron_prediction(np.stack([a, b, c], 1), np.stack([7 * (a + b) - 2], 1), 0.1)
    np.testing.assert_allclose(weights[:, 0], [0.5**0.5 - 0.1] * 2 + [0], atol=0.03)
    assert weights[2, 0] == 0 and explained[0] == pytest.approx(1 - 0.02, abs=0.02)
    assert not sparse_neuron_prediction(np.stack([a, b], 1), c[:, None], 1.0)[0].any()


def test_spectral_clusters_of_mixed_subspaces():
    # Two subspaces of two dimensions, which the networks span by different bases.
    one, two = RNG.normal(size=(2, 3000, 2))
    mixing = [np.array([[1.0, 0.6, 0.8], [0.2, 1.0, -0.7]]) for _ in range(2)]
    x = np.hstack([one @ mixing[0], two @ mixing[1]])[:, [0, 3, 1, 4, 2, 5]]
    y = np.hstack([two @ mixing[1][:, :2], one @ mixing[0][:, 1:]])
    first, second = spectral_neuron_clusters(x, y, 2)
    assert first.tolist() == [0, 1, 0, 1, 0, 1] and second.tolist() == [1, 1, 0, 0]
    assert spectral_neuron_clusters(x, y, 1)[0].tolist() == [0] * 6


GOOD = {"features": np.eye(3), "other_features": np.eye(3)}


@pytest.mark.parametrize(
    ("function", "change", "message"),
    [
        (neuron_matching, {"method": "best"}, "Received: method='best'"),
        (neuron_matching, {"other_features": np.eye(4)}, "Received: features.shape="),
        (neuron_matching, {"features": np.full((3, 3), np.nan)}, "Received: features with NaN"),
        (neuron_matching, {"features": np.ones((1, 3))}, "Received: features.shape="),
        (sparse_neuron_prediction, {"penalty": -0.1}, "Received: penalty=-0.1"),
        (sparse_neuron_prediction, {"penalty": np.nan}, "Received: penalty=nan"),
        (sparse_neuron_prediction, {"penalty": np.inf}, "Received: penalty=inf"),
        (sparse_neuron_prediction, {"max_iter": 0}, "Received: max_iter=0"),
        (spectral_neuron_clusters, {"clusters": 7}, "Received: clusters=7"),
        (spectral_neuron_clusters, {"clusters": 2, "seed": -1}, "Received: seed=-1"),
    ],
)
def test_refuses(function, change, message):
    with pytest.raises(ValueError, match=message):
        function(**{**GOOD, **change})
