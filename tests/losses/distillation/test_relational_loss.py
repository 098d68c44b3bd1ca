"""Losses of the geometry of a batch against loops in float64."""

import keras
import numpy as np
import pytest

from keras_ssl import losses
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, unit, value

S, T = draws(5, 3), draws(5, 4, seed=1)


def huber(d):
    return 0.5 * d * d if abs(d) < 1 else abs(d) - 0.5


def slow_distances(x):
    x = x.astype("float64")
    table = np.array([[np.linalg.norm(a - b) for b in x] for a in x])
    return table / table[table > 0].mean()


def slow_angles(x):
    x, n = x.astype("float64"), len(x)
    found = np.zeros((n, n, n))
    for i in range(n):
        for j in range(n):
            for k in range(n):
                a, b = x[j] - x[i], x[k] - x[i]
                norms = np.linalg.norm(a) * np.linalg.norm(b)
                found[i, j, k] = a @ b / norms if norms > 0 else 0.0
    return found


def rotation(size, seed=3):
    return np.linalg.qr(draws(size, size, seed=seed))[0].astype("float32")


def test_distances_equal_the_reference():
    difference = slow_distances(S) - slow_distances(T)
    expected = np.mean([huber(d) for d in difference.reshape(-1)])
    assert value(losses.distance_distillation_loss(S, T)) == pytest.approx(expected, rel=1e-5)


def test_angles_equal_the_reference():
    difference = slow_angles(S) - slow_angles(T)
    expected = np.mean([huber(d) for d in difference.reshape(-1)])
    assert value(losses.angle_distillation_loss(S, T)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_similarity_matrices_equal_the_reference(temperature):
    s, t = unit(S.astype("float64")), unit(T.astype("float64"))
    a, b = s @ s.T, t @ t.T
    if temperature is None:
        expected = np.mean((a - b) ** 2)
    else:
        p, q = (np.exp(m / temperature) / np.exp(m / temperature).sum(axis=1, keepdims=True) for m in (b, a))
        expected = np.mean(np.sum(p * np.log(p / q), axis=1))
    assert value(losses.similarity_matrix_loss(S, T, temperature)) == pytest.approx(expected, rel=1e-5)
    tokens = losses.similarity_matrix_loss(np.stack([S, S]), np.stack([T, T]), temperature)
    assert value(tokens) == pytest.approx(expected, rel=1e-5)


def test_rotation_and_scale_change_nothing():
    for loss in (losses.distance_distillation_loss, losses.angle_distillation_loss, losses.similarity_matrix_loss):
        assert value(loss(S, 3.0 * S @ rotation(3))) == pytest.approx(0.0, abs=1e-6)
        assert value(loss(S, T)) == pytest.approx(value(loss(S @ rotation(3), T @ rotation(4))), rel=1e-4)
    shifted = S + 5.0
    assert value(losses.distance_distillation_loss(S, shifted)) == pytest.approx(0.0, abs=1e-6)
    assert value(losses.angle_distillation_loss(S, shifted)) == pytest.approx(0.0, abs=1e-6)


def test_equal_points_have_finite_gradients():
    same = np.ones((4, 3), "float32")
    for loss in (losses.distance_distillation_loss, losses.angle_distillation_loss, losses.similarity_matrix_loss):
        found, (of_student, of_teacher) = differentiate(loss, same, draws(4, 3))
        assert np.isfinite(found) and np.isfinite(of_student).all() and not np.any(of_teacher)


def test_refuses_other_shapes():
    for loss in (losses.distance_distillation_loss, losses.angle_distillation_loss, losses.similarity_matrix_loss):
        with pytest.raises(ValueError, match=r"Received: shapes \(5, 3\) and \(4, 4\)"):
            loss(S, T[:4])
    with pytest.raises(ValueError, match="Received: temperature=0"):
        losses.similarity_matrix_loss(S, T, 0)
    with pytest.raises(ValueError, match="Received: shapes"):
        losses.similarity_matrix_loss(keras.ops.zeros((2, 3, 4, 5)), keras.ops.zeros((2, 3, 4, 5)))
