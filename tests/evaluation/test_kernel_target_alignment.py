import numpy as np
import pytest

from keras_ssl.evaluation import kernel_target_alignment

RNG = np.random.default_rng(0)


def reference(k, y):
    n, c = len(k), y.shape[1]
    inner = k_square = y_square = 0.0
    for i in range(n):
        for j in range(n):
            target = sum(y[i, d] * y[j, d] for d in range(c))
            inner, k_square, y_square = inner + k[i, j] * target, k_square + k[i, j] ** 2, y_square + target**2
    return inner / np.sqrt(k_square * y_square)


@pytest.mark.parametrize("classes", [1, 3])
def test_equals_loops_and_lies_between_zero_and_one(classes):
    for seed in range(5):
        features, y = np.random.default_rng(seed).normal(size=(7, 2)), RNG.normal(size=(7, classes))
        k = features @ features.T
        value = kernel_target_alignment(k, y)
        assert value == pytest.approx(reference(k, y)) and 0.0 <= value <= 1.0
        assert kernel_target_alignment(1e200 * k, 1e150 * y) == pytest.approx(value)


def test_one_for_the_kernel_of_the_targets_and_formula_of_a_vector():
    y = RNG.normal(size=6)
    assert kernel_target_alignment(3.0 * np.outer(y, y), y) == pytest.approx(1.0)
    assert kernel_target_alignment(-np.outer(y, y), y) == pytest.approx(-1.0)
    k = np.cov(RNG.normal(size=(6, 9)))
    assert kernel_target_alignment(k, y) == pytest.approx(y @ k @ y / (np.linalg.norm(k) * (y @ y)))
    assert kernel_target_alignment(np.eye(6), y) == pytest.approx(1 / np.sqrt(6))
    orthogonal = np.array([1.0, -1.0]), np.array([1.0, 1.0])
    assert kernel_target_alignment(np.outer(orthogonal[0], orthogonal[0]), orthogonal[1]) == 0.0


def test_centered_does_not_see_offsets():
    features, y = RNG.normal(size=(8, 3)), RNG.normal(size=8)
    k = features @ features.T
    h = np.eye(8) - 1 / 8
    expected = reference(h @ k @ h, (h @ y)[:, None])
    assert kernel_target_alignment(k, y, center=True) == pytest.approx(expected)
    assert kernel_target_alignment((features + 5) @ (features + 5).T, y + 9, center=True) == pytest.approx(expected)


def test_zeros():
    assert kernel_target_alignment(np.zeros((3, 3)), np.ones(3)) == 0.0
    assert kernel_target_alignment(np.eye(3), np.zeros(3)) == 0.0


@pytest.mark.parametrize(
    "kernel, targets, name",
    [
        (np.ones((2, 3)), np.ones(2), "kernel"),
        (np.zeros((0, 0)), np.ones(0), "kernel"),
        (np.eye(3), np.ones(2), "targets"),
        (np.eye(2), np.ones((2, 1, 1)), "targets"),
        (np.array([[1, np.nan], [np.nan, 1]]), np.ones(2), "kernel"),
        (np.eye(2), np.array([1, np.inf]), "targets"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones(2), "kernel"),
    ],
)
def test_rejects(kernel, targets, name):
    with pytest.raises(ValueError, match=f"`{name}` must.*Received: {name}"):
        kernel_target_alignment(kernel, targets)
