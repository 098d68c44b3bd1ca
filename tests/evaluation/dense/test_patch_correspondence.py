"""Correspondence of patches: known transforms, a slow reference, limits."""

import numpy as np
import pytest

from keras_ssl.evaluation import patch_correspondence, shifted_views

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.once


def patches(images, side):
    """The pixels of each patch as its features."""
    count, height, width, channels = images.shape
    cut = images.reshape(count, height // side, side, width // side, side, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // side, width // side, -1).astype(float)


def slow_correspondence(first, second, places, tolerance):
    right = total = 0
    for n in range(len(first)):
        for r in range(second.shape[1]):
            for c in range(second.shape[2]):
                if (places[n, r, c] < 0).any():
                    continue
                best, at = -np.inf, None
                for i in range(first.shape[1]):
                    for j in range(first.shape[2]):
                        a, b = first[n, i, j], second[n, r, c]
                        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                        if cosine > best:
                            best, at = cosine, (i, j)
                total += 1
                right += max(abs(at[0] - places[n, r, c, 0]), abs(at[1] - places[n, r, c, 1])) <= tolerance
    return right / total


@pytest.mark.parametrize("tolerance", [0, 1])
def test_equals_a_slow_reference(tolerance):
    first, second = RNG.normal(size=(3, 3, 4, 5)), RNG.normal(size=(3, 2, 4, 5))
    places = np.stack([RNG.integers(-1, 3, (3, 2, 4)), RNG.integers(0, 4, (3, 2, 4))], axis=-1)
    found = patch_correspondence(first, second, places, tolerance)
    assert found == pytest.approx(slow_correspondence(first, second, places, tolerance))


def test_pixels_of_shifted_views_are_at_their_places():
    """By hand: each pixel of a patch of the second view is that of the first, in the same or in mirrored order."""
    images = RNG.integers(0, 256, (20, 16, 24, 3)).astype("uint8")
    views = shifted_views(images, 4, brightness=0.0, seed=3)
    first, second = (view.reshape(20, 4, 4, 6, 4, 3).transpose(0, 1, 3, 2, 4, 5) for view in views[:2])
    mirrored = 0
    for n in range(20):
        same = []
        for r in range(4):
            for c in range(6):
                row, column = views.places[n, r, c]
                if row >= 0:
                    here, there = second[n, r, c], first[n, row, column]
                    same.append((here == there).all())
                    assert same[-1] or (here == there[:, ::-1]).all()
        assert all(same) or not any(same)
        mirrored += not any(same)
    assert 3 < mirrored < 17
    assert (views.places == -1).any() and (np.abs(np.diff(np.sign(views.places), axis=-1)) <= 1).all()


def test_features_that_mirroring_leaves_alone_are_found_again():
    images = RNG.integers(0, 256, (10, 16, 16, 3)).astype("uint8")
    views = shifted_views(images, 4, brightness=0.5)
    first, second = (patches(view, 4).reshape(10, 4, 4, 4, 4, 3).mean(axis=-2) for view in views[:2])
    columns = [x.reshape(10, 4, 4, -1) for x in (first, second)]  # the mean of each row of a patch
    assert patch_correspondence(*columns, views.places) > 0.99


def test_perfect_features_chance_and_one_place_off():
    grid = np.stack(np.meshgrid(range(5), range(5), indexing="ij"), axis=-1)
    places = np.broadcast_to(grid, (4, 5, 5, 2))
    own = np.broadcast_to(np.eye(25).reshape(5, 5, 25), (4, 5, 5, 25))
    assert patch_correspondence(own, own, places) == 1.0
    off = np.roll(own, 1, axis=2)
    assert patch_correspondence(own, off, places) == 0.0
    assert patch_correspondence(own, off, places, tolerance=1) == pytest.approx(0.8)  # but those rolled in at the edge
    noise = RNG.normal(size=(2, 40, 5, 5, 8))
    chance = patch_correspondence(*noise, np.broadcast_to(grid, (40, 5, 5, 2)))
    assert chance == pytest.approx(1 / 25, abs=0.025)
    assert patch_correspondence(3 * own, 0.1 * own, places) == 1.0
    order = RNG.permutation(25)
    assert patch_correspondence(own[..., order], own[..., order], places) == 1.0


def test_views_keep_type_and_follow_from_the_seed():
    images = RNG.random((6, 8, 8, 3)).astype("float32")
    views, again, other = (shifted_views(images, 2, seed=seed) for seed in (5, 5, 6))
    assert views.second.dtype == np.float32 and views.first is not None
    np.testing.assert_array_equal(views.second, again.second)
    assert (views.second != other.second).any()
    still = shifted_views(images, 2, largest_shift=0.0, brightness=0.0)
    assert all((a == b).all() or (a == b[:, ::-1]).all() for a, b in zip(still.second, images, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, p: patch_correspondence(x, x[:1], p), r"same images and width. Received: first.shape"),
        (lambda x, p: patch_correspondence(x, x[..., :2], p), r"same images and width. Received: first.shape"),
        (lambda x, p: patch_correspondence(x, x, p[..., :1]), r"must be integers \(2, 3, 3, 2\). Received: places"),
        (lambda x, p: patch_correspondence(x, x, p.astype(float)), "Received: places.*float64"),
        (lambda x, p: patch_correspondence(x, x, p + 1), r"3 x 3, at least one. Received: largest place \[3, 3\]"),
        (lambda x, p: patch_correspondence(x, x, p * 0 - 1), r"Received: largest place \[-1, -1\]"),
        (lambda x, p: patch_correspondence(x, x, p, tolerance=-1), "Received: tolerance=-1"),
        (lambda x, p: shifted_views(x, 2), "multiples of `patch_size`. Received: images.shape"),
        (lambda x, p: shifted_views(x, 3, largest_shift=1.5), "Received: largest_shift=1.5"),
        (lambda x, p: shifted_views(x, 3, brightness=-0.5), "Received: brightness=-0.5"),
    ],
)
def test_refuses(call, message):
    grid = np.stack(np.meshgrid(range(3), range(3), indexing="ij"), axis=-1)
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 3, 3, 3)), np.broadcast_to(grid, (2, 3, 3, 2)))
