"""Consistency and stability of prototypes, against loops and on built cases."""

import numpy as np
import pytest

from keras_ssl.evaluation import (
    part_hits,
    prototype_consistency,
    prototype_locations,
    prototype_stability,
    stability_noise,
)

RNG = np.random.default_rng(0)
PARTS = np.tile([[20.0, 20.0], [20.0, 180.0], [180.0, 100.0]], (10, 1, 1))  # of ten images
LABELS = np.repeat([0, 1], 5)


def test_always_on_one_part_is_consistent_and_scattered_is_not():
    fixed = PARTS[:, :2] + 5.0
    assert prototype_consistency(fixed, PARTS, LABELS, [0, 1]) == 1.0
    scattered = np.stack([PARTS[n, n % 3] for n in range(10)])[:, None]
    assert prototype_consistency(scattered, PARTS, LABELS, [0]) == 0.0
    both = np.concatenate([fixed[:, :1], scattered], axis=1)
    assert prototype_consistency(both, PARTS, LABELS, [1, 0]) == 0.5


def test_four_images_of_five_are_enough_for_the_default():
    places = PARTS[:, :1].copy()
    places[0] = 100.0
    assert prototype_consistency(places, PARTS, LABELS, [0]) == 1.0
    assert prototype_consistency(places, PARTS, LABELS, [0], threshold=0.81) == 0.0
    places[1] = 100.0
    assert prototype_consistency(places, PARTS, LABELS, [0]) == 0.0
    # Images in which the part is hidden do not count, and hidden parts are not hit.
    visible = np.ones((10, 3), bool)
    visible[:2, 0] = False
    assert prototype_consistency(places, PARTS, LABELS, [0], visible) == 1.0
    visible[:, 0] = False
    assert prototype_consistency(places, PARTS, LABELS, [0], visible) == 0.0


def test_the_edge_of_the_box_belongs_to_it():
    assert part_hits([[[50.0, 50.0]]], [[[86.0, 14.0], [86.1, 50.0]]]).tolist() == [[[True, False]]]


def slow(locations, parts, labels, classes, visible, box, threshold, noisy):
    consistent, stable = [], []
    for p, name in enumerate(classes):
        counts, seen, same, images = np.zeros(parts.shape[1]), np.zeros(parts.shape[1]), 0, 0
        for n in range(len(labels)):
            if labels[n] != name:
                continue
            images += 1
            hits = []
            for where in (locations, noisy):
                inside = [
                    visible[n, k]
                    and abs(where[n, p, 0] - parts[n, k, 0]) <= box / 2
                    and abs(where[n, p, 1] - parts[n, k, 1]) <= box / 2
                    for k in range(parts.shape[1])
                ]
                hits.append(inside)
            counts += hits[0]
            seen += visible[n]
            same += hits[0] == hits[1]
        consistent.append(max(c / s if s else 0 for c, s in zip(counts, seen, strict=True)) >= threshold)
        stable.append(same / images)
    return np.mean(consistent), np.mean(stable)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_equals_loops(threshold):
    parts = RNG.uniform(0, 100, size=(30, 4, 2))
    locations = parts[:, [0, 1, 2, 3, 0, 1]] + RNG.normal(size=(30, 6, 2)) * 12
    noisy = locations + RNG.normal(size=locations.shape) * 8
    labels, classes, visible = np.arange(30) % 3, [0, 0, 1, 1, 2, 2], RNG.random((30, 4)) < 0.8
    expected = slow(locations, parts, labels, classes, visible, 30, threshold, noisy)
    found = (
        prototype_consistency(locations, parts, labels, classes, visible, 30, threshold),
        prototype_stability(locations, noisy, parts, labels, classes, visible, 30),
    )
    np.testing.assert_allclose(found, expected)
    assert 0 < found[1] < 1


def test_zero_noise_is_stable():
    locations = RNG.uniform(0, 200, size=(10, 4, 2))
    assert prototype_stability(locations, locations, PARTS, LABELS, [0, 0, 1, 1]) == 1.0


def test_locations_are_the_middles_of_the_best_places():
    maps = RNG.normal(size=(3, 4, 5, 2))
    found = prototype_locations(maps, (8, 20))
    for n in range(3):
        for p in range(2):
            row, column = np.unravel_index(maps[n, :, :, p].argmax(), (4, 5))
            assert found[n, p].tolist() == [(row + 0.5) * 2, (column + 0.5) * 4]


def test_noise():
    images = np.full((4, 20, 20, 3), 0.5)
    noise = stability_noise(images, seed=3) - 0.5
    assert np.abs(noise).max() <= 0.25 + 1e-6 and np.mean(np.abs(noise) > 0.2499) == pytest.approx(0.2113, abs=0.02)
    np.testing.assert_array_equal(stability_noise(images, std=0.0), images.astype("float32"))
    np.testing.assert_array_equal(stability_noise(images, seed=3), noise + np.float32(0.5))
    assert stability_noise(np.ones((1, 30))).max() == 1.0


def test_prototypes_of_classes_without_images_are_left_out():
    places = PARTS[:, :1]
    assert prototype_consistency(np.tile(places, (1, 2, 1)), PARTS, LABELS, [0, 7]) == 1.0
    assert np.isnan(prototype_consistency(places, PARTS, LABELS, [7]))
    assert np.isnan(prototype_stability(places, places, PARTS, LABELS, [7]))


GOOD = {"locations": PARTS[:, :1], "parts": PARTS, "labels": LABELS, "prototype_classes": [0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": PARTS[:4]}, "Received: locations.shape="),
        ({"locations": PARTS[..., :1]}, "Received: locations.shape="),
        ({"locations": PARTS * np.nan}, "Received: locations=nan"),
        ({"parts": PARTS * np.nan}, "Received: parts with NaN"),
        ({"visible": np.ones((10, 2))}, "Received: visible.shape="),
        ({"labels": LABELS[:3]}, "Received: labels.shape="),
        ({"prototype_classes": [0, 1]}, "Received: prototype_classes.shape="),
        ({"box": 0}, "Received: box=0"),
        ({"box": np.nan}, "Received: box=nan"),
        ({"threshold": 0.0}, "Received: threshold=0.0"),
        ({"threshold": 1.1}, "Received: threshold=1.1"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        prototype_consistency(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: prototype_stability(PARTS[:, :1], PARTS[:, :2], PARTS, LABELS, [0]),
            "Received: noisy_locations.shape=",
        ),
        (lambda: stability_noise(np.full((1, 2), 2.0)), "Received: images from 2"),
        (lambda: stability_noise(np.zeros((1, 2)), std=-1), "Received: std=-1"),
        (lambda: stability_noise(np.zeros((1, 2)), limit=np.inf), "Received: limit=inf"),
        (lambda: prototype_locations(np.zeros((1, 2, 2)), 8), "Received: activations.shape="),
        (lambda: prototype_locations(np.zeros((1, 2, 2, 1)), 0), "Received: image_size=0"),
    ],
)
def test_refuses_others(call, message):
    with pytest.raises(ValueError, match=message):
        call()
