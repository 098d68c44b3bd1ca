"""Rand index, CorLoc, foreground and groups of patches: references, closed forms, invariances, chance."""

import numpy as np
import pytest

from keras_ssl.evaluation import (
    adjusted_rand_index,
    attention_foreground,
    cluster_patches,
    corloc,
    object_discovery,
    pixel_labels,
    token_cut,
)

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.once


def test_rand_index_equals_that_of_scikit_learn():
    from sklearn.metrics import adjusted_rand_score

    found, true = RNG.integers(0, 4, (6, 5, 7)), RNG.integers(0, 3, (6, 5, 7))
    true[0][found[0] == 0] = 1
    expected = [adjusted_rand_score(t.ravel(), f.ravel()) for f, t in zip(found, true, strict=True)]
    assert adjusted_rand_index(found, true) == pytest.approx(np.mean(expected))
    foreground = [adjusted_rand_score(t[t != 0], f[t != 0]) for f, t in zip(found, true, strict=True)]
    assert adjusted_rand_index(found, true, background=0) == pytest.approx(np.mean(foreground))
    assert adjusted_rand_index(found, np.where(true == 0, -1, true)) == pytest.approx(np.mean(foreground))


def test_rand_index_limits():
    true = RNG.integers(0, 4, (5, 8, 8))
    assert adjusted_rand_index(true, true) == 1.0
    names = RNG.permutation(4) + 10
    assert adjusted_rand_index(names[true], true) == 1.0
    assert adjusted_rand_index(np.zeros_like(true), true) == pytest.approx(0.0)
    assert adjusted_rand_index(np.zeros_like(true), np.zeros_like(true)) == 1.0
    assert adjusted_rand_index(np.arange(4).reshape(1, 4), np.arange(4)[::-1].reshape(1, 4)) == 1.0
    chance = adjusted_rand_index(RNG.integers(0, 4, (50, 8, 8)), RNG.integers(0, 4, (50, 8, 8)))
    assert abs(chance) < 0.02
    order = RNG.permutation(64)
    found = RNG.integers(0, 3, true.shape)
    shuffled = [x.reshape(5, 64)[:, order] for x in (found, true)]
    assert adjusted_rand_index(*shuffled) == pytest.approx(adjusted_rand_index(found, true))


def test_an_image_without_foreground_counts_nowhere():
    true = np.array([[0, 0, 0, 0], [1, 1, 2, 2]])
    assert adjusted_rand_index(np.array([[1, 2, 3, 4], [5, 5, 6, 6]]), true, background=0) == 1.0
    with pytest.raises(ValueError, match="pixels that count. Received: background=0"):
        adjusted_rand_index(true[:1], true[:1], background=0)


def test_corloc_counts_boxes():
    masks = np.zeros((4, 10, 10), int)
    masks[:, 2:6, 2:6] = 1
    masks[0, 8:, 8:] = 2
    found = np.zeros((4, 10, 10), bool)
    found[0, 8:, 8:] = True  # the other object
    found[1, 2:6, 2:4] = True  # half of the box: 1/2
    found[2, 2:6, 2:3] = True  # a quarter of it
    assert corloc(found, masks) == 0.5  # nothing is found in the last
    assert corloc(found, masks, threshold=0.25) == 0.75
    assert corloc(masks == 1, masks) == 1.0
    empty = np.concatenate([masks, np.zeros((1, 10, 10), int)])
    assert corloc(np.concatenate([found, found[:1]]), empty) == 0.5


def blocks(seed=0, count=6):
    """Images of a background and two objects of 2 x 2 patches, with features of their own."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, 6, 6), int)
    for mask in masks:
        row, column = rng.integers(0, 5, 2)
        mask[row : row + 2, column : column + 2] = 1
        corner = (0 if row > 2 else 4, 0 if column > 2 else 4)
        mask[corner[0] : corner[0] + 2, corner[1] : corner[1] + 2] = 2
    return np.eye(3)[masks], masks


def test_perfect_features_find_the_objects():
    features, masks = blocks()
    pixels = pixel_labels(masks, 24, 24)
    assert object_discovery(features, pixels) == {"corloc": 1.0, "ari": 1.0, "ari_foreground": 1.0}
    turned = features @ np.linalg.qr(RNG.normal(size=(3, 3)))[0] * 7.0
    assert object_discovery(turned, pixels) == {"corloc": 1.0, "ari": 1.0, "ari_foreground": 1.0}
    alike = object_discovery(np.ones_like(features), pixels)
    assert alike["corloc"] == 0.0 and alike["ari"] == pytest.approx(0.0)
    noise = object_discovery(RNG.normal(size=(60, 6, 6, 16)), pixel_labels(blocks(1, 60)[1], 24, 24))
    assert abs(noise["ari"]) < 0.1
    assert 0 < noise["ari_foreground"] < 0.25  # above 0, since the 16 pixels of a patch always go together


def test_groups_do_not_depend_on_the_order_of_dimensions_or_images():
    features = RNG.normal(size=(4, 5, 5, 6))
    groups = cluster_patches(features, 3)
    order = RNG.permutation(6)
    np.testing.assert_array_equal(cluster_patches(features[..., order], 3), groups)
    np.testing.assert_array_equal(cluster_patches(features[::-1], 3), groups[::-1])
    assert (cluster_patches(features, 1) == 0).all()
    assert [len(np.unique(image)) for image in cluster_patches(features, 25)] == [25] * 4


def test_token_cut_keeps_the_connected_part():
    masks = np.zeros((1, 6, 6), int)
    masks[0, 1:3, 1:3] = 1
    masks[0, 5, 5] = 1  # alike, but apart
    found = token_cut(np.eye(2)[masks])[0]
    assert found.sum() in (1, 4) and (masks[0][found] == 1).all()
    assert not token_cut(np.ones((1, 3, 3, 2))).any()


def test_token_cut_equals_the_generalized_eigenvector():
    from scipy.linalg import eigh

    features = RNG.normal(size=(1, 4, 4, 3)) + 0.7
    unit = features.reshape(16, 3) / np.linalg.norm(features.reshape(16, 3), axis=1, keepdims=True)
    weights = np.where(unit @ unit.T > 0.2, 1.0, 1e-5)
    degree = np.diag(weights.sum(axis=1))
    vector = eigh(degree - weights, degree)[1][:, 1]
    seed = np.abs(vector).argmax()
    side = ((vector > vector.mean()) == (vector[seed] > vector.mean())).reshape(4, 4)
    found = token_cut(features)[0]
    assert found.reshape(-1)[seed] and not (found & ~side).any()


def test_attention_keeps_the_strongest_places():
    attention = RNG.random((3, 4, 5))
    for mass in (0.3, 0.6, 1.0):
        found = attention_foreground(attention, mass)
        for values, kept in zip(attention, found, strict=True):
            ordered = np.sort(values.ravel())[::-1]
            count = int((np.cumsum(ordered) / ordered.sum() < mass - 1e-12).sum()) + 1
            assert kept.sum() == count and values[kept].min() == ordered[count - 1]
    assert attention_foreground(attention, 1.0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, m: object_discovery(x[:2], m), "as many images. Received: features.shape"),
        (lambda x, m: object_discovery(x, m * 0), "must show an object. Received: background=0"),
        (lambda x, m: object_discovery(x, m.astype(float)), "must be integers.*Received: masks.shape"),
        (lambda x, m: object_discovery(x, m, clusters=40), "Received: clusters=40"),
        (lambda x, m: corloc(m, m), "must be booleans.*Received: found.shape.*int64"),
        (lambda x, m: corloc(m == 1, m, threshold=0.0), "Received: threshold=0.0"),
        (lambda x, m: token_cut(x, threshold=2.0), "Received: threshold=2.0"),
        (lambda x, m: token_cut(x[0]), "Received: features.shape"),
        (lambda x, m: attention_foreground(x), "Received: attention.shape"),
        (lambda x, m: attention_foreground(m * 0), "above 0 somewhere. Received: image 0"),
        (lambda x, m: attention_foreground(m - 1), "not negative.*Received: attention.shape"),
        (lambda x, m: adjusted_rand_index(m[0, 0], m[0, 0]), r"must be \[N, ...\]. Received: labels.shape"),
        (lambda x, m: cluster_patches(x, 2, iterations=0), "Received: iterations=0"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(*blocks())
