"""The losses of CAPI: a slow reference, Sinkhorn-Knopp of each position, closed forms."""

import keras
import numpy as np
import pytest

from keras_ssl.losses.capi_loss import assignment_loss, position_assignments
from keras_ssl.losses.sinkhorn import sinkhorn
from tests.objectives.reference import draws, value


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def slow_assignments(logits, temperature, iterations):
    """Position by position, column by column and row by row, in float64."""
    found = np.zeros(logits.shape)
    for t in range(logits.shape[1]):
        matrix = np.exp(logits[:, t].astype("float64") / temperature)
        for _ in range(iterations):
            for k in range(matrix.shape[1]):
                matrix[:, k] /= matrix[:, k].sum()
            for n in range(len(matrix)):
                matrix[n] /= matrix[n].sum()
        found[:, t] = matrix
    return found


def slow_loss(logits, assignments, temperature):
    rows = logits.reshape(-1, logits.shape[-1]).astype("float64") / temperature
    total = []
    for row, wanted in zip(rows, assignments.reshape(-1, logits.shape[-1]), strict=True):
        total.append(-(wanted * (row - np.log(np.exp(row).sum()))).sum())
    return np.mean(total)


@pytest.mark.parametrize(("temperature", "iterations"), [(0.5, 1), (0.2, 3)])
def test_assignments_equal_the_reference(temperature, iterations):
    logits = draws(6, 3, 4)
    found = numbers(position_assignments(logits, temperature, iterations))
    np.testing.assert_allclose(found, slow_assignments(logits, temperature, iterations), rtol=1e-3, atol=1e-6)


def test_each_position_is_sinkhorn_by_itself():
    logits = draws(6, 3, 4)
    found = numbers(position_assignments(logits, 0.3))
    for t in range(3):
        np.testing.assert_allclose(found[:, t], numbers(sinkhorn(logits[:, t], 0.3)), rtol=1e-4, atol=1e-6)


def test_what_all_samples_have_in_common_at_a_position_does_not_count():
    """A cluster cannot stand for a place: a logit that only depends on position and cluster changes nothing."""
    logits, place = draws(6, 3, 4), draws(1, 3, 4, seed=1)
    found, other = (numbers(position_assignments(each, 0.3)) for each in (logits, logits + place))
    np.testing.assert_allclose(found, other, rtol=1e-3, atol=1e-5)
    assert np.abs(found - numbers(position_assignments(logits + draws(6, 1, 4, seed=2), 0.3))).max() > 1e-2


def test_after_many_iterations_clusters_get_equal_shares():
    found = numbers(position_assignments(draws(8, 2, 4), 0.5, iterations=50))
    np.testing.assert_allclose(found.sum(axis=0), 2.0, rtol=1e-3)
    np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-5)


def test_the_loss_equals_the_reference_and_its_closed_forms():
    logits, assignments = draws(5, 3, 4), slow_assignments(draws(5, 3, 4, seed=1), 0.5, 3)
    found = value(assignment_loss(logits, assignments.astype("float32"), 0.4))
    assert found == pytest.approx(slow_loss(logits, assignments, 0.4), rel=1e-5)
    assert value(assignment_loss(np.zeros((5, 3, 4)), assignments)) == pytest.approx(np.log(4), rel=1e-5)
    sure = np.eye(4)[[[0, 1, 2]]].astype("float32")
    assert value(assignment_loss(100 * sure, sure)) == pytest.approx(0.0, abs=1e-6)


def test_the_loss_of_its_own_softmax_is_its_entropy():
    """No prediction costs less than the entropy of what is predicted."""
    logits = draws(5, 3, 4)
    rows = np.exp(logits / 0.4) / np.exp(logits / 0.4).sum(axis=-1, keepdims=True)
    entropy = -(rows * np.log(rows)).sum(axis=-1).mean()
    assert value(assignment_loss(logits, rows, 0.4)) == pytest.approx(entropy, rel=1e-5)
    assert value(assignment_loss(logits + 0.3 * draws(5, 3, 4, seed=1), rows, 0.4)) > entropy


def test_refuses():
    logits = np.zeros((2, 3, 4), "float32")
    for options, message in (({"temperature": 0.0}, "temperature=0.0"), ({"iterations": 0}, "iterations=0")):
        with pytest.raises(ValueError, match=f"Received: {message}"):
            position_assignments(logits, **options)
    with pytest.raises(ValueError, match=r"Received: logits.shape=\(3, 4\)"):
        position_assignments(logits[0])
    with pytest.raises(ValueError, match="Received: temperature=-1.0"):
        assignment_loss(logits, logits, -1.0)
    with pytest.raises(ValueError, match="must have one shape"):
        assignment_loss(logits, logits[:, :2])
