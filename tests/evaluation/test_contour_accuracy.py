import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from keras_ssl.evaluation import contour_accuracy
from keras_ssl.evaluation.contour_accuracy import contour


def slow_accuracy(mask, true, radius):
    """By the exact distance of each contour pixel to the other contour."""
    edges = []
    for m in (mask, true):
        edge = np.zeros(m.shape, bool)
        for y in range(m.shape[0]):
            for x in range(m.shape[1]):
                near = m[y : y + 2, x : x + 2]
                edge[y, x] = near.min() != near.max() and (near != m[y, x]).any()
        edges.append(edge)
    found, wanted = edges
    if not found.any() or not wanted.any():
        return float(not found.any() and not wanted.any())
    precision = np.mean(distance_transform_edt(~wanted)[found] <= radius)
    recall = np.mean(distance_transform_edt(~found)[wanted] <= radius)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize(("tolerance", "radius"), [(0.008, 1), (0.1, 4), (2, 2), (3.5, 4)])
def test_equals_distances(tolerance, radius):
    """The images' diagonal is 36 pixels."""
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 5, 20, 30), bool)
    for pair in range(5):
        for kind in range(2):
            y, x, h, w = rng.integers(1, 10, 4)
            masks[kind, pair, y : y + h, x : x + 2 * w] = True
    masks[1, 4] = False
    expected = [slow_accuracy(a, b, radius) for a, b in zip(*masks, strict=True)]
    assert contour_accuracy(*masks, tolerance) == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0 < np.mean(expected) < 1


def test_closed_forms():
    mask = np.zeros((40, 40))
    mask[10:20, 10:30] = 1
    assert contour_accuracy(mask, mask) == 1
    assert contour_accuracy(mask, np.roll(mask, 20, axis=0)) == 0
    assert contour_accuracy(np.zeros((4, 4)), np.zeros((4, 4))) == 1
    assert contour_accuracy(mask, np.zeros((40, 40))) == 0
    assert contour(np.array([[0, 0], [0, 1]], bool)).tolist() == [[True, True], [True, False]]


def test_bad_tolerance():
    with pytest.raises(ValueError, match=r"Received: tolerance=0"):
        contour_accuracy(np.ones((2, 2)), np.ones((2, 2)), 0)
