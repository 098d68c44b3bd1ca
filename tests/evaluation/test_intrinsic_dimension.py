import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from keras_ssl.evaluation import intrinsic_dimension
from keras_ssl.evaluation.intrinsic_dimension import subspace_steps


def problem(samples=50, dimensions=4, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, dimensions))
    y = x @ rng.standard_normal((dimensions, classes)) + rng.standard_normal((samples, classes))
    return x, y


def test_the_whole_space_is_joint_training():
    x, y = problem()
    steps = list(subspace_steps(x.T @ x / 50, x.T @ y / 50, 0.1, max_dimension=1000, seed=0))
    assert len(steps) == 12
    ridge = Ridge(alpha=0.1 * 50, fit_intercept=False).fit(x, y)
    np.testing.assert_allclose(sum(steps), ridge.coef_.T, rtol=1e-6, atol=1e-8)


def test_every_subspace_has_its_own_optimum():
    """The first d steps sum up to ridge regression on the d numbers themselves, by scikit-learn."""
    x, y = problem()
    weights = 0
    directions = np.random.default_rng(3).standard_normal((12, 4, 3))
    for d, step in enumerate(subspace_steps(x.T @ x / 50, x.T @ y / 50, 0.1, 12, seed=3), 1):
        weights = weights + step
        design = np.array([(x @ p).ravel() for p in directions[:d]]).T
        decay = np.sqrt(0.1 * 50) * directions[:d].reshape(d, -1).T  # the penalty on W, as further rows
        theta = np.linalg.lstsq(np.concatenate([design, decay]), np.r_[y.ravel(), np.zeros(12)], rcond=None)[0]
        np.testing.assert_allclose(weights, np.tensordot(theta, directions[:d], 1), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("rank", "outputs"), [(1, 1), (2, 3), (5, 2)])
def test_a_planted_dimension_is_found(rank, outputs):
    """Features of this rank: `rank * outputs` equations, so as many random directions solve them, and no fewer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, rank)) @ np.linalg.qr(rng.standard_normal((12, rank)))[0].T
    y = x @ rng.standard_normal((12, outputs))
    weights, errors = 0, []
    for step in subspace_steps(x.T @ x / 60, x.T @ y / 60, 1e-10, 12 * outputs, seed=1):
        weights = weights + step
        errors.append(np.linalg.norm(x @ weights - y) / np.linalg.norm(y))
    assert np.flatnonzero(np.array(errors) < 1e-4)[0] + 1 == rank * outputs


def test_digits():
    digits = load_digits()
    x, y = digits.data.astype("float16"), digits.target
    data = x[:900], y[:900], x[900:], y[900:]
    found = [intrinsic_dimension(*data, seed=seed) for seed in (0, 1)]
    assert all(20 < d < 300 for d in found)
    assert intrinsic_dimension(*data, fraction=0.5) < found[0]
    names = np.array([f"digit {number}" for number in range(10)])
    assert intrinsic_dimension(x[:900], names[y[:900]], x[900:], names[y[900:]]) == found[0]
    assert intrinsic_dimension(*data, max_dimension=5) == float("inf")


def test_one_class_needs_no_training():
    assert intrinsic_dimension(np.eye(3), ["a"] * 3, np.eye(3), ["a", "a", "b"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fraction": 0}, r"Received: fraction=0"),
        ({"fraction": 1.1}, r"Received: fraction=1.1"),
        ({"regularization": 0}, r"Received: regularization=0"),
        ({"max_dimension": 0}, r"Received: max_dimension=0"),
        ({"labels": [0]}, r"Received: labels.shape"),
        ({"features": np.ones((3, 2))}, r"same dimension"),
    ],
)
def test_bad_arguments(change, message):
    good = {"train_features": np.eye(3), "train_labels": [0, 1, 1], "features": np.eye(3), "labels": [0, 1, 1]}
    with pytest.raises(ValueError, match=message):
        intrinsic_dimension(**good | change)
