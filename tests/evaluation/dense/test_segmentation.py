"""mIoU, labels of patches, and classifiers of patches against definitions, closed forms and chance."""

import numpy as np
import pytest

from keras_ssl.evaluation import (
    knn_segmentation,
    linear_segmentation,
    mean_iou,
    patch_labels,
    pixel_labels,
)

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.once


def slow_mean_iou(found, true):
    scores = []
    for label in sorted(set(found[true != -1]) | set(true[true != -1])):
        both = either = 0
        for f, t in zip(found.ravel(), true.ravel(), strict=True):
            if t != -1:
                both += f == label and t == label
                either += f == label or t == label
        scores.append(both / either)
    return sum(scores) / len(scores)


def test_mean_iou_by_its_definition():
    found, true = RNG.integers(0, 4, (3, 5, 6)), RNG.integers(-1, 5, (3, 5, 6))
    assert mean_iou(found, true) == pytest.approx(slow_mean_iou(found, true))


def test_mean_iou_limits():
    true = RNG.integers(0, 3, (2, 4, 4))
    assert mean_iou(true, true) == 1.0
    assert mean_iou(true + 5, true) == 0.0
    assert mean_iou(np.where(true == -1, 9, true), true) == 1.0
    order = RNG.permutation(16)
    found = RNG.integers(0, 3, (2, 4, 4))
    shuffled = [x.reshape(2, 16)[:, order] for x in (found, true)]
    assert mean_iou(*shuffled) == pytest.approx(mean_iou(found, true))
    half = np.array([[0, 1, 0, 1]])
    assert mean_iou(half, np.zeros_like(half)) == pytest.approx(0.25)  # 1/2 for 0, 0 for 1


def test_mean_iou_takes_a_pixel_without_an_answer_for_a_missed_one():
    assert mean_iou([[-1, 0, 1, 1]], [[0, 0, 1, 1]]) == pytest.approx(0.75)  # 1/2 for 0, 1 for 1
    assert mean_iou([[-1, -1]], [[0, 1]]) == 0.0


def slow_patch_labels(masks, rows, columns):
    height, width = masks.shape[1] // rows, masks.shape[2] // columns
    found = np.full((len(masks), rows, columns), -1)
    for n in range(len(masks)):
        for r in range(rows):
            for c in range(columns):
                part = masks[n, r * height : (r + 1) * height, c * width : (c + 1) * width].ravel().tolist()
                votes = {label: part.count(label) for label in sorted(set(part)) if label != -1}
                found[n, r, c] = max(votes, key=votes.get, default=-1)
    return found


def test_labels_of_patches_and_back():
    masks = RNG.integers(-1, 3, (4, 9, 13))
    found = patch_labels(masks, (4, 6))
    np.testing.assert_array_equal(found, slow_patch_labels(masks, 4, 6))
    masks[0, :2, :2] = -1
    assert patch_labels(masks, (4, 6))[0, 0, 0] == -1
    blocks = RNG.integers(0, 5, (2, 3, 4))
    pixels = pixel_labels(blocks, 6, 12)
    np.testing.assert_array_equal(pixels, np.repeat(np.repeat(blocks, 2, axis=1), 3, axis=2))
    np.testing.assert_array_equal(patch_labels(pixels, (3, 4)), blocks)
    assert pixel_labels(blocks, 7, 13).shape == (2, 7, 13)


def perfect(count, seed):
    """Features that say the class of their patch, and its mask in pixels."""
    blocks = np.random.default_rng(seed).integers(0, 3, (count, 4, 4))
    return np.eye(3)[blocks], pixel_labels(blocks, 16, 16)


@pytest.mark.parametrize("measure", [linear_segmentation, lambda *data: knn_segmentation(*data, k=5)])
def test_perfect_features_and_chance(measure):
    features, masks = perfect(12, 0)
    test, test_masks = perfect(6, 1)
    assert measure(features, masks, test, test_masks) == 1.0
    unlabeled = np.where(RNG.random(test_masks.shape) < 0.3, -1, test_masks)
    assert measure(features, masks, test, unlabeled) == 1.0
    noise, test_noise = RNG.normal(size=(12, 4, 4, 3)), RNG.normal(size=(6, 4, 4, 3))
    chance = measure(noise, masks, test_noise, test_masks)
    assert 0.1 < chance < 0.3  # a guess among three classes: 1/3 * 1/3 / (5/9) = 0.2


def test_the_order_of_images_makes_no_difference():
    features, masks = RNG.normal(size=(10, 4, 4, 5)), RNG.integers(0, 3, (10, 8, 8))
    test, test_masks = RNG.normal(size=(4, 4, 4, 5)), RNG.integers(0, 3, (4, 8, 8))
    order = RNG.permutation(10)
    for measure in (linear_segmentation, knn_segmentation):
        figure = measure(features, masks, test, test_masks)
        assert measure(features[order], masks[order], test, test_masks) == pytest.approx(figure, abs=2e-3)


def test_few_patches_are_drawn_by_the_seed():
    features, masks = perfect(40, 0)
    noise = 0.6 * RNG.normal(size=features.shape)
    data = features + noise, masks, *perfect(6, 1)
    figures = {linear_segmentation(*data, max_patches=9, seed=seed) for seed in (0, 0, 1, 2)}
    assert len(figures) > 1
    assert linear_segmentation(*data, max_patches=9) == linear_segmentation(*data, max_patches=9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((6, 16, 3))}, r"`features` must be features of frames.*Received: features.shape"),
        ({"features": np.zeros((5, 4, 4, 3))}, "as many images. Received: features.shape"),
        ({"features": np.zeros((6, 4, 4, 2))}, "same dimension. Received: train_features.shape"),
        ({"features": np.full((6, 4, 4, 3), np.nan)}, "must be finite. Received: features"),
        ({"train_masks": np.full((12, 16, 16), -1)}, "other than -1. Received: train_masks.shape"),
        ({"train_masks": np.zeros((12, 3, 16), int)}, r"place of the grid, 4 x 4. Received: masks.shape=\(12, 3, 16\)"),
        ({"masks": np.zeros((6, 16, 16))}, r"must be integers \[N, H, W\]. Received: masks.shape.*float64"),
        ({"max_patches": 0}, "Received: max_patches=0"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"regularization": 0.0}, "Received: regularization=0.0"),
    ],
)
def test_refuses(change, message):
    names = ("train_features", "train_masks", "features", "masks")
    data = dict(zip(names, (*perfect(12, 0), *perfect(6, 1)), strict=True))
    with pytest.raises(ValueError, match=message):
        linear_segmentation(**{**data, **change})


def test_refuses_neighbors_and_shapes():
    with pytest.raises(ValueError, match="Received: k=0"):
        knn_segmentation(*perfect(12, 0), *perfect(6, 1), k=0)
    with pytest.raises(ValueError, match=r"one shape. Received: labels.shape=\(1,\)"):
        mean_iou([0], [0, 1])
    with pytest.raises(ValueError, match="must hold integers. Received: labels.dtype=float64"):
        mean_iou([0.0], [1])
    with pytest.raises(ValueError, match="other than -1. Received"):
        mean_iou([0], [-1])
    with pytest.raises(ValueError, match="Received: height=2"):
        pixel_labels(np.zeros((1, 3, 3), int), 2, 3)
