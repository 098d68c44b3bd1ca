"""Affinities, clusters and maps of patches: loops in float64, limits, permutations, and where gradients flow."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import (
    inter_patch_consistency_loss,
    multi_source_consistency_loss,
    patch_affinity,
    smaller_cluster,
)
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws

FEATURES = draws(3, 12, 5)
MAPS = 1 / (1 + np.exp(-draws(3, 12, seed=1)))
ORDER = np.random.default_rng(0).permutation(12)


def slow_affinity(features):
    unit = features.astype("float64") / np.linalg.norm(features.astype("float64"), axis=-1, keepdims=True)
    return np.array([[[(1 + a @ b) / 2 for b in image] for a in image] for image in unit])


def groups(small=4):
    """Two images whose first patches are of one kind, the others of another."""
    rng = np.random.default_rng(2)
    centers = np.array([[3.0, 0, 0], [0, 3.0, 0]])
    kinds = np.array([0] * small + [1] * (12 - small))
    return (centers[kinds] + 0.2 * rng.normal(size=(2, 12, 3))).astype("float32")


def test_affinity_equals_the_reference_is_symmetric_and_has_a_unit_diagonal():
    found = np.asarray(patch_affinity(FEATURES))
    np.testing.assert_allclose(found, slow_affinity(FEATURES), atol=1e-6)
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), atol=1e-6)
    np.testing.assert_array_equal(np.diagonal(found, axis1=1, axis2=2), 1.0)
    assert found.min() >= 0 and found.max() <= 1 + 1e-6
    np.testing.assert_array_equal(patch_affinity(FEATURES.reshape(3, 3, 4, 5)), found)


def slow_clusters(affinity, iterations):
    found = []
    for rows in affinity:
        i, j = np.unravel_index(rows.argmin(), rows.shape)
        centers = [rows[i], rows[j]]
        for _ in range(iterations):
            kinds = np.array([int(np.sum((r - centers[1]) ** 2) < np.sum((r - centers[0]) ** 2)) for r in rows])
            centers = [rows[kinds == k].mean(axis=0) if (kinds == k).any() else np.zeros(12) for k in (0, 1)]
        found.append(kinds if kinds.sum() <= 6 else 1 - kinds)
    return np.array(found)


@pytest.mark.parametrize("iterations", [1, 5])
def test_clusters_equal_the_reference(iterations):
    features = draws(20, 12, 4, seed=7)
    affinity = np.asarray(patch_affinity(features), "float64")
    found = np.asarray(smaller_cluster(affinity.astype("float32"), iterations))
    np.testing.assert_array_equal(found, slow_clusters(affinity, iterations))


@pytest.mark.parametrize(("small", "expected"), [(4, 0), (3, 0), (9, 1)])
def test_the_smaller_of_two_kinds_of_patches_is_marked(small, expected):
    kinds = np.array([0] * small + [1] * (12 - small))
    np.testing.assert_array_equal(smaller_cluster(patch_affinity(groups(small))), np.tile(kinds == expected, (2, 1)))


def test_permuted_patches_give_a_permuted_map():
    whole, permuted = (np.asarray(smaller_cluster(patch_affinity(x))) for x in (groups(), groups()[:, ORDER]))
    np.testing.assert_array_equal(permuted, whole[:, ORDER])
    losses = [
        np.asarray(inter_patch_consistency_loss(m, patch_affinity(f)))
        for m, f in ((MAPS, FEATURES), (MAPS[:, ORDER], FEATURES[:, ORDER]))
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_a_uniform_image_has_a_constant_map_and_no_loss():
    uniform = np.tile(FEATURES[:, :1], (1, 12, 1))
    affinity = patch_affinity(uniform)
    np.testing.assert_array_equal(smaller_cluster(affinity), 0.0)
    for norm in ("l1", "l2"):
        for constant in (0.0, 0.3):
            found = inter_patch_consistency_loss(np.full((3, 12), constant, "float32"), affinity, norm)
            np.testing.assert_allclose(found, 0.0, atol=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_inter_patch_loss_equals_the_reference(norm):
    affinity, expected = slow_affinity(FEATURES), []
    for a, m in zip(affinity, MAPS.astype("float64"), strict=True):
        total = 0.0
        for i in range(12):
            for j in range(12):
                difference = a[i, j] - (1 - abs(m[i] - m[j]))
                total += abs(difference) if norm == "l1" else difference**2
        expected.append(total / 144)
    found = inter_patch_consistency_loss(MAPS, affinity, norm)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(inter_patch_consistency_loss(MAPS.reshape(3, 3, 4), affinity, norm), expected, rtol=1e-5)


def test_a_map_of_the_true_clusters_of_orthogonal_patches_agrees():
    kinds = np.array([0] * 4 + [1] * 8)
    opposite = np.where(kinds[:, None], [[1.0, 0.0]], [[-1.0, 0.0]])[None].astype("float32")
    affinity = patch_affinity(opposite)
    np.testing.assert_allclose(inter_patch_consistency_loss(kinds[None].astype("float32"), affinity), 0.0, atol=1e-6)
    assert float(inter_patch_consistency_loss(np.zeros((1, 12), "float32"), affinity)[0]) > 0.3


def test_streams_equal_the_reference_and_equal_ones_have_no_loss():
    maps = [np.abs(draws(3, 12, seed=k)) for k in range(3)]
    expected = [
        np.mean(
            [np.mean((maps[s][n] - np.mean([maps[o][n] for o in range(3) if o != s], axis=0)) ** 2) for s in range(3)]
        )
        for n in range(3)
    ]
    np.testing.assert_allclose(multi_source_consistency_loss(maps), expected, rtol=1e-5)
    np.testing.assert_allclose(multi_source_consistency_loss(maps[:1] * 3), 0.0, atol=1e-10)


def test_each_stream_learns_from_the_others_only_as_targets():
    first, second = MAPS, np.abs(draws(3, 12, seed=4))
    _, gradients = differentiate(lambda a, b: keras.ops.sum(multi_source_consistency_loss([a, b])), first, second)
    np.testing.assert_allclose(gradients[0], (first.astype("float64") - second) / 12, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradients[1], (second.astype("float64") - first) / 12, rtol=1e-4, atol=1e-6)


def test_no_gradient_flows_through_the_clusters_and_that_of_equal_patches_is_finite():
    _, (gradient,) = differentiate(
        lambda f: keras.ops.sum(smaller_cluster(patch_affinity(f))), groups(), dtype="float32"
    )
    assert not gradient.any()
    _, (gradient,) = differentiate(
        lambda m: keras.ops.sum(inter_patch_consistency_loss(m, np.ones((1, 4, 4), "float32"))),
        np.full((1, 4), 0.5),
        dtype="float32",
    )
    assert np.isfinite(gradient).all()


def test_refuses():
    affinity = patch_affinity(FEATURES)
    with pytest.raises(ValueError, match="Received: iterations=0"):
        smaller_cluster(affinity, 0)
    with pytest.raises(ValueError, match="Received: norm='l3'"):
        inter_patch_consistency_loss(MAPS, affinity, "l3")
    with pytest.raises(ValueError, match=r"Received: affinity.shape=\(3, 12, 12\) for 5 patches"):
        inter_patch_consistency_loss(MAPS[:, :5], affinity)
    with pytest.raises(ValueError, match="Received: maps=1 maps"):
        multi_source_consistency_loss([MAPS])
