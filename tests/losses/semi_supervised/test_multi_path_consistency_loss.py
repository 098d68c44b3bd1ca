"""The multi-path loss: loops in float64, paths that are equal, networks that are exactly equivariant."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import multi_path_consistency_loss
from keras_ssl.views.functional.affine_warp import affine_warp, turn_and_zoom
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws

HARD = [draws(2, 3, 4, 2, seed=k) for k in range(3)]
TARGETS = [draws(2, 3, 4, 2, seed=10 + k) for k in range(3)]
WEIGHTS = [np.abs(draws(2, 3, 4, 1, seed=20 + k)) for k in range(3)]


def slow(hard, targets, weights):
    total = np.zeros(2)
    for n in range(2):
        for k in range(len(hard)):
            for place in np.ndindex(3, 4, 2):
                weight = 1.0 if weights is None else weights[k][(n, *place[:2], 0)]
                total[n] += weight * (float(hard[k][(n, *place)]) - targets[k][(n, *place)]) ** 2 / 24
    return total


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_equals_the_reference(weights):
    np.testing.assert_allclose(multi_path_consistency_loss(HARD, TARGETS, weights), slow(HARD, TARGETS, weights), 1e-5)


def test_one_path_is_the_plain_mean_square_and_equal_paths_add_up():
    single = np.asarray(multi_path_consistency_loss(HARD[:1], TARGETS[:1]))
    np.testing.assert_allclose(single, ((HARD[0] - TARGETS[0]) ** 2).mean(axis=(1, 2, 3)), rtol=1e-5)
    three = multi_path_consistency_loss(HARD[:1] * 3, TARGETS[:1] * 3)
    np.testing.assert_allclose(three, 3 * single, rtol=1e-6)


@pytest.mark.parametrize("matrix", ["identity", "mirror", "quarter", "half"])
def test_an_exactly_equivariant_network_has_no_loss(matrix):
    """The network is a product with a number: turned images give turned maps."""
    images = draws(2, 6, 6, 1)
    turns = {"identity": 0.0, "quarter": np.pi / 2, "half": np.pi}
    if matrix == "mirror":
        matrices = np.tile(np.array([[[-1, 0, 0], [0, 1, 0]]], "float32"), (2, 1, 1))
        expected = images[:, :, ::-1]
    else:
        matrices = turn_and_zoom(np.full(2, turns[matrix], "float32"), np.ones(2, "float32"))
        expected = np.rot90(images, {"identity": 0, "quarter": 1, "half": 2}[matrix], axes=(1, 2))
    hard = 3.0 * np.asarray(affine_warp(images, matrices))
    target = affine_warp(3.0 * images, matrices, "zero")
    np.testing.assert_allclose(hard, 3.0 * expected, atol=1e-5)
    np.testing.assert_allclose(multi_path_consistency_loss([hard], [target]), 0.0, atol=1e-9)


def test_the_easy_branch_gets_no_gradient():
    _, (hard, easy) = differentiate(
        lambda h, e: keras.ops.sum(multi_path_consistency_loss([h], [e])), HARD[0], TARGETS[0]
    )
    np.testing.assert_allclose(hard, 2 * (HARD[0].astype("float64") - TARGETS[0]) / 24, rtol=1e-4, atol=1e-6)
    assert not easy.any()


def test_refuses():
    for arguments in (([], []), (HARD, TARGETS[:2]), (HARD, TARGETS, WEIGHTS[:1])):
        with pytest.raises(ValueError, match="Received: numbers of maps="):
            multi_path_consistency_loss(*arguments)
