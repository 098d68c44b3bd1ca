"""Thresholds that follow images: a slow reference, limits, shares, and pasting."""

import numpy as np
import pytest

from keras_ssl.data import InstanceAdaptiveSelector, paste_classes


def images(count=5, seed=0, scale=2.0):
    logits = scale * np.random.default_rng(seed).normal(size=(count, 6, 7, 4))
    p = np.exp(logits)
    return p / p.sum(axis=-1, keepdims=True)


def slow(stack, alpha, beta, gamma, initial):
    """Pixel by pixel; the quantile by hand, between the two nearest confidences."""
    thresholds, labels = [initial] * 4, []
    for image in stack:
        pixels = [(max(p), int(np.argmax(p))) for row in image for p in row]
        for kind in range(4):
            own = sorted(confidence for confidence, predicted in pixels if predicted == kind)
            if not own:
                continue
            place = (1 - alpha * thresholds[kind] ** gamma) * (len(own) - 1)
            low = int(np.floor(place))
            high = min(low + 1, len(own) - 1)
            wanted = own[low] + (place - low) * (own[high] - own[low])
            thresholds[kind] = min(beta * thresholds[kind] + (1 - beta) * wanted, 0.999)
        labels.append([kind if confidence >= thresholds[kind] else -1 for confidence, kind in pixels])
    return np.array(labels).reshape(len(stack), 6, 7), thresholds


@pytest.mark.parametrize(("alpha", "beta", "gamma"), [(0.2, 0.9, 8.0), (0.5, 0.3, 1.0), (1.0, 0.5, 0.0)])
def test_equals_the_reference(alpha, beta, gamma):
    selector = InstanceAdaptiveSelector(4, alpha, beta, gamma, initial=0.8)
    labels, thresholds = slow(images(), alpha, beta, gamma, 0.8)
    np.testing.assert_array_equal(selector.select_all(images()), labels)
    np.testing.assert_allclose(selector.thresholds, thresholds)
    assert (labels >= 0).any() and (labels < 0).any()


@pytest.mark.parametrize("initial", [0.6, 1.0])
def test_momentum_1_is_a_constant_threshold(initial):
    selector = InstanceAdaptiveSelector(4, beta=1.0, initial=initial)
    labels = selector.select_all(images())
    np.testing.assert_array_equal(selector.thresholds, initial)
    p = images()
    np.testing.assert_array_equal(labels, np.where(p.max(axis=-1) >= initial, p.argmax(axis=-1), -1))


def test_what_is_kept_reaches_its_threshold():
    selector = InstanceAdaptiveSelector(4, alpha=0.4, beta=0.5, gamma=2.0)
    for image in images(20, seed=3):
        labels = selector.select(image)
        kept = labels >= 0
        assert (image.max(axis=-1)[kept] >= selector.thresholds[labels[kept]]).all()
        assert (labels[kept] == image.argmax(axis=-1)[kept]).all()
        assert (image.max(axis=-1)[~kept] < selector.thresholds[image.argmax(axis=-1)[~kept]]).all()


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_without_momentum_the_kept_share_is_the_wanted_one(alpha):
    image = images(1, scale=1.0)[0]
    selector = InstanceAdaptiveSelector(4, alpha, beta=0.0, gamma=0.0)
    labels = selector.select(image)
    for kind in range(4):
        own = image.argmax(axis=-1) == kind
        # The quantile lies at the place (1 - alpha) (n - 1) of n sorted confidences: those from there on are kept.
        assert np.sum(labels[own] >= 0) == own.sum() - np.ceil((1 - alpha) * (own.sum() - 1))


def test_harder_classes_get_lower_thresholds_and_absent_ones_keep_theirs():
    rng = np.random.default_rng(0)
    selector = InstanceAdaptiveSelector(3, alpha=0.5, beta=0.5)
    for _ in range(10):
        confidence = np.concatenate([rng.uniform(0.9, 1.0, 50), rng.uniform(0.5, 0.6, 50)])
        p = np.zeros((100, 3))
        p[:50, 0], p[50:, 1] = confidence[:50], confidence[50:]
        p[:, 2] = 1 - confidence
        selector.select(p)
    assert selector.thresholds[1] < selector.thresholds[0] and selector.thresholds[2] == 0.9
    assert selector.hard_classes(2).tolist() == [1, 2]


def test_pastes_the_pixels_of_classes():
    rng = np.random.default_rng(0)
    x, other = rng.normal(size=(2, 4, 5, 6, 3))
    y, theirs = rng.integers(-1, 4, size=(2, 4, 5, 6))
    image, label = paste_classes(x, y, other, theirs, [1, 3])
    for place in np.ndindex(4, 5, 6):
        pasted = theirs[place] in (1, 3)
        np.testing.assert_array_equal(image[place], (other if pasted else x)[place])
        assert label[place] == (theirs if pasted else y)[place]
    same, labels = paste_classes(x, y, other, theirs, [])
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "classes=1"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"beta": -0.1}, "beta=-0.1"),
        ({"gamma": -1.0}, "gamma=-1"),
        ({"initial": float("nan")}, "initial=nan"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        InstanceAdaptiveSelector(**{"classes": 4, **options})


def test_refuses_what_are_no_probabilities_and_other_shapes():
    selector = InstanceAdaptiveSelector(4)
    for wrong in (images()[..., :3], 2 * images()[0], np.ones(4) / 4):
        with pytest.raises(ValueError, match=r"Received: probabilities.shape="):
            selector.select(wrong)
    with pytest.raises(ValueError, match="Received: count=5"):
        selector.hard_classes(5)
    with pytest.raises(ValueError, match="Received: shapes"):
        paste_classes(np.zeros((1, 2, 2, 1)), np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 1)), np.zeros((1, 2)), [0])
