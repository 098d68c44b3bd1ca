"""Tests of keras_ssl.data.RedundancyReduction."""

import math

import numpy as np
import pytest

from keras_ssl.data import RedundancyReduction

pytestmark = pytest.mark.once
METHODS = ("embedding", "entropy", "hash")


def cosine_distance(a, b):
    return 1.0 - float(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))


def information_distance(a, b, bins, low, high):
    levels = [np.minimum(((image.ravel() - low) / (high - low) * bins).astype(int), bins - 1) for image in (a, b)]
    pairs = list(zip(*levels, strict=True))

    def entropy(items):
        return -sum(items.count(x) / len(items) * math.log(items.count(x) / len(items)) for x in set(items))

    joint = entropy(pairs)
    return 1.0 - (entropy(list(levels[0])) + entropy(list(levels[1])) - joint) / joint


def bits(image, margin):
    """Difference hash, by averaging over blocks of whole pixels."""
    height, width = image.shape[0] // 8, image.shape[1] // 9
    small = np.array(
        [[image[r * height : (r + 1) * height, c * width : (c + 1) * width].mean() for c in range(9)] for r in range(8)]
    )
    least = margin * (image.max() - image.min())
    return np.array([small[r, c + 1] - small[r, c] > least for r in range(8) for c in range(8)])


def make(method, count=12, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 5)) if method == "embedding" else random.uniform(0, 255, (count, 16, 18))


def distance_matrix(method, x):
    if method == "embedding":
        return np.array([[cosine_distance(a, b) for b in x] for a in x])
    if method == "entropy":
        return np.array([[information_distance(a, b, 16, x.min(), x.max()) for b in x] for a in x])
    hashes = [bits(image, 0.02) for image in x]
    return np.array([[float((a != b).sum()) for b in hashes] for a in hashes])


@pytest.mark.parametrize("method", METHODS)
def test_distances_equal_the_reference(method):
    x = make(method)
    reduction = RedundancyReduction(method)
    described = reduction.describe(x)
    found = np.array([reduction.distances(one, described) for one in described])
    np.testing.assert_allclose(found, distance_matrix(method, x), atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_equals_a_greedy_scan(method, quantile):
    x = make(method)
    distances = distance_matrix(method, x)
    threshold = float(np.quantile(distances[np.triu_indices(len(x), 1)], quantile)) + 1e-6
    kept = []
    for k in range(len(x)):
        if all(distances[k, j] > threshold for j in kept):
            kept.append(k)
    found = RedundancyReduction(method, threshold).select(x)
    assert found.tolist() == kept and found.dtype == np.int64 and len(kept) < len(x)
    # Survivors are above the threshold, and each dropped sample is within it of a survivor before it.
    assert all(distances[a, b] > threshold for a in kept for b in kept if a != b)
    assert all(min(distances[k, j] for j in kept if j < k) <= threshold for k in set(range(len(x))) - set(kept))


@pytest.mark.parametrize("method", METHODS)
def test_copies_collapse_to_the_first_and_zero_keeps_what_differs(method):
    x = make(method)
    copies = np.concatenate([x, x[3:8], x])
    assert RedundancyReduction(method, 0.0).select(copies).tolist() == list(range(len(x)))
    assert RedundancyReduction(method, 0.0).select(np.repeat(x, 3, axis=0)).tolist() == list(range(0, 36, 3))


def test_the_same_set_survives_in_another_order_of_clear_groups():
    random = np.random.default_rng(1)
    groups = np.repeat(np.eye(4), 3, axis=0) + 0.001 * random.normal(size=(12, 4))
    order = random.permutation(12)
    found = RedundancyReduction("embedding").select(groups[order])
    assert sorted((order[found] // 3).tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(found, RedundancyReduction("embedding").select(groups[order]))


def test_hash_withstands_small_noise_and_brightness():
    random = np.random.default_rng(2)
    rows, columns = np.mgrid[:32, :36]
    images = np.stack([np.sin(rows / (3 + k)) * np.cos(columns / (5 + 2 * k)) for k in range(6)])
    reduction = RedundancyReduction("hash", threshold=2)
    described = reduction.describe(np.concatenate([images, images + 0.01 * random.normal(size=images.shape)]))
    assert all(reduction.distances(described[k], described[k + 6 : k + 7])[0] <= 2 for k in range(6))
    np.testing.assert_array_equal(reduction.describe(40 * images + 100), described[:6])


def test_noise_on_a_flat_image_sets_no_bit_but_without_the_margin():
    image = np.zeros((1, 16, 18))
    image[0, 4:12, 8:10] = 1.0
    noisy = image + 0.001 * np.random.default_rng(3).normal(size=image.shape)
    plain, safe = RedundancyReduction("hash", margin=0.0), RedundancyReduction("hash")
    assert (safe.describe(noisy) == safe.describe(image)).all()
    assert (plain.describe(noisy) != plain.describe(image)).sum() > 10


def test_a_picture_that_brightens_to_the_right_sets_every_bit():
    ramp = np.tile(np.arange(18.0), (16, 1))[None]
    described = RedundancyReduction("hash").describe(np.concatenate([ramp, -ramp, 0 * ramp + 0.1]))
    assert described[0].all() and not described[1].any() and not described[2].any()


def test_color_is_averaged_and_small_images_are_hashed():
    random = np.random.default_rng(4)
    gray = random.uniform(size=(3, 7, 5))
    color = np.repeat(gray[..., None], 3, axis=3)
    for method in ("entropy", "hash"):
        reduction = RedundancyReduction(method)
        np.testing.assert_array_equal(reduction.describe(color), reduction.describe(gray))
        assert np.array_equal(reduction.select(color.astype("float32")), reduction.select(gray.astype("float32")))


def test_entropy_of_inverted_and_of_independent_images():
    random = np.random.default_rng(5)
    image = random.integers(0, 4, (64, 64)) / 3.0
    other = random.integers(0, 4, (64, 64)) / 3.0
    reduction = RedundancyReduction("entropy", bins=4)
    described = reduction.describe(np.stack([image, 1.0 - image, other, np.zeros((64, 64))]))
    found = reduction.distances(described[0], described)
    np.testing.assert_allclose(found[:2], 0.0, atol=1e-12)
    assert found[2] > 0.99 and found[3] == pytest.approx(1.0)
    assert reduction.distances(described[3], described[3:])[0] == 0.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "phash"),
        ("threshold", -1.0),
        ("threshold", float("nan")),
        ("threshold", float("inf")),
        ("bins", 1),
        ("margin", 1.0),
        ("margin", -0.1),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        RedundancyReduction(**{name: value})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", [np.zeros((0, 4)), np.full((2, 3), np.nan), np.zeros(3)])
def test_bad_input_is_refused(method, x):
    with pytest.raises(ValueError, match="Received: x="):
        RedundancyReduction(method).select(x)


def test_wrong_axes_are_refused():
    with pytest.raises(ValueError, match="Received: x="):
        RedundancyReduction("hash").select(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="Received: x="):
        RedundancyReduction("embedding").select(np.zeros((2, 3, 3)))


def test_originals_are_the_kept_samples_that_are_near():
    x = np.random.default_rng(3).normal(size=(60, 2))
    compared = RedundancyReduction("embedding", threshold=0.02)
    described = compared.describe(x)
    originals, distances = compared.originals(described)
    kept = compared.select(x)
    assert set(originals.tolist()) == set(kept.tolist()) and (originals[kept] == kept).all()
    for number, (original, distance) in enumerate(zip(originals, distances, strict=True)):
        apart = compared.distances(described[number], described[kept])
        assert original == kept[np.flatnonzero(apart <= 0.02 + 1e-12)[0]]  # the first that is near enough
        assert distance == apart[kept.tolist().index(original)]
