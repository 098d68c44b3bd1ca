import numpy as np
import pytest

from keras_ssl.evaluation import label_propagation


def video(frames=4, height=5, width=6, dimensions=3, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((frames, height, width, dimensions)).astype(dtype), rng.integers(0, 3, (height, width))


def slow_propagation(features, first, context, k, radius, temperature):
    """Place by place, neighbor by neighbor."""
    frames, height, width, _ = features.shape
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    shares = np.zeros((frames, *first.shape))
    shares[0] = first
    for t in range(1, frames):
        for y in range(height):
            for x in range(width):
                candidates = [
                    (-float(unit[t, y, x] @ unit[s, v, u]), s, v, u)
                    for s in range(t)
                    if s == 0 or s >= t - context
                    for v in range(height)
                    for u in range(width)
                    if abs(v - y) <= radius and abs(u - x) <= radius
                ]
                best = sorted(candidates)[:k]
                weights = np.exp([-score / temperature for score, *_ in best])
                weights /= weights.sum()
                shares[t, y, x] = sum(w * shares[s, v, u] for w, (_, s, v, u) in zip(weights, best, strict=True))
    return shares


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("context", "k", "radius"), [(7, 5, 12), (1, 3, 1), (0, 1000, 2), (2, 4, 0)])
def test_equals_the_definition(dtype, context, k, radius):
    features, labels = video(dtype=dtype)
    hot = np.eye(3)[labels]
    shares = label_propagation(features, hot, context, k, radius, 0.1)
    expected = slow_propagation(features.astype("float64"), hot, context, k, radius, 0.1)
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-12)  # so the weights sum to 1
    names = np.array([-4, 0, 9])
    clear = np.sort(expected, axis=-1)[..., -1] - np.sort(expected, axis=-1)[..., -2] > 1e-4
    found = label_propagation(features, names[labels], context, k, radius, 0.1)
    np.testing.assert_array_equal(found[clear], names[expected.argmax(axis=-1)][clear])
    np.testing.assert_array_equal(found[0], names[labels])


def test_identical_frames_keep_the_mask():
    features, labels = video(frames=1)
    still = np.repeat(features, 5, axis=0)
    for radius in (None, 2, 0):
        found = label_propagation(still, labels, radius=radius, temperature=1e-4)
        np.testing.assert_array_equal(found, np.repeat(labels[np.newaxis], 5, axis=0))


def test_a_translated_frame_moves_the_mask():
    places = np.eye(42).reshape(6, 7, 42)
    labels = np.random.default_rng(0).integers(0, 4, (6, 7))
    frames = np.stack([np.roll(places, (t, -t), axis=(0, 1)) for t in range(3)])
    expected = np.stack([np.roll(labels, (t, -t), axis=(0, 1)) for t in range(3)])
    np.testing.assert_array_equal(label_propagation(frames, labels, temperature=0.01, radius=None), expected)


def test_radius_0_copies_in_place():
    features, labels = video()
    np.testing.assert_array_equal(
        label_propagation(features, labels, radius=0), np.repeat(labels[np.newaxis], 4, axis=0)
    )


def test_odd_input():
    features, labels = video()
    assert (label_propagation(features, np.full((5, 6), 3)) == 3).all()  # one class
    zeros = label_propagation(np.zeros((2, 3, 3, 2)), np.arange(9).reshape(3, 3), k=1, radius=1)
    assert zeros[1, 2, 2] == 4  # equally far from its window: the first place of it
    heat = label_propagation(features, np.random.default_rng(0).random((5, 6, 2)))
    assert heat.shape == (4, 5, 6, 2) and 0 <= heat.min() and heat.max() <= 1
    assert label_propagation(features[:1], labels).shape == (1, 5, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.ones((2, 3, 4))}, r"\[T, H, W, D\]. Received: features.shape=\(2, 3, 4\)"),
        ({"first_labels": np.ones((2, 2), int)}, r"H and W, \(2, 3\). Received: first_labels.shape=\(2, 2\)"),
        ({"first_labels": np.ones((2, 3))}, r"must be integers \[H, W\]. Received: first_labels.dtype=float64"),
        ({"first_labels": np.full((2, 3, 1), np.nan)}, r"must be finite numbers \[H, W, C\]"),
        ({"context": -1}, r"Received: context=-1"),
        ({"k": 0}, r"Received: k=0"),
        ({"radius": -1}, r"Received: radius=-1"),
        ({"temperature": 0}, r"Received: temperature=0"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        label_propagation(**{"features": np.ones((2, 2, 3, 4)), "first_labels": np.zeros((2, 3), int)} | change)


def test_bad_places_are_named():
    features, labels = video(dtype="float16")
    features[2, 1, 3, 0] = np.nan
    features[3] = np.inf
    with pytest.raises(ValueError, match=r"NaN or infinity in frame 2, row 1, column 3 \(31 such places\)"):
        label_propagation(features, labels)
