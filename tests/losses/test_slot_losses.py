"""Losses of slots: slow references, closed forms, symmetries, gradients."""

from itertools import permutations

import keras
import numpy as np
import pytest

from keras_ssl.losses import feature_cycle_loss, matched_mask_loss, slot_cycle_loss

RNG = np.random.default_rng(0)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def slow_matched(logits, masks):
    slots = logits.shape[0]
    shares = softmax(logits.astype("float64"), 0)
    pixels = [(p, y) for p, y in enumerate(masks) if 0 <= y < slots]
    if not pixels:
        return 0.0
    return min(np.mean([-np.log(shares[order[y], p]) for p, y in pixels]) for order in permutations(range(slots)))


def test_matched_masks_by_trying_all_assignments():
    logits, masks = RNG.normal(size=(5, 4, 11)).astype("float32"), RNG.integers(-1, 4, (5, 11))
    masks[1], masks[2] = -1, np.where(masks[2] == 3, 0, masks[2])
    found, labeled = (numbers(x) for x in matched_mask_loss(logits, masks))
    np.testing.assert_allclose(found, [slow_matched(*pair) for pair in zip(logits, masks, strict=True)], atol=1e-5)
    np.testing.assert_array_equal(labeled, [1, 0, 1, 1, 1])


def test_matched_masks_do_not_depend_on_the_order_of_slots_or_objects():
    logits, masks = RNG.normal(size=(3, 4, 9)).astype("float32"), RNG.integers(0, 4, (3, 9))
    found = numbers(matched_mask_loss(logits, masks)[0])
    order = np.array([2, 3, 1, 0])
    np.testing.assert_allclose(numbers(matched_mask_loss(logits[:, order], masks)[0]), found, atol=1e-6)
    np.testing.assert_allclose(numbers(matched_mask_loss(logits, order[masks])[0]), found, atol=1e-6)


def test_matched_masks_closed_forms():
    masks = RNG.integers(0, 3, (2, 20))
    even = numbers(matched_mask_loss(np.zeros((2, 5, 20), "float32"), masks)[0])
    np.testing.assert_allclose(even, np.log(5), atol=1e-6)
    perfect = 40.0 * np.eye(3, dtype="float32")[masks].transpose(0, 2, 1)
    np.testing.assert_allclose(numbers(matched_mask_loss(perfect, masks)[0]), 0.0, atol=1e-6)
    one = numbers(matched_mask_loss(perfect[:, [0, 0, 0]], masks)[0])
    np.testing.assert_allclose(one, np.log(3), atol=1e-6)


def slow_cycles(slots, features, temperature, threshold):
    slots, features = slots.astype("float64"), features.astype("float64")
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (slots, features)]
    cosines = unit[0] @ unit[1].T
    there, back = softmax(cosines / temperature, 1), softmax(cosines / temperature, 0).T
    returned = there @ back
    first = -np.mean([np.log(returned[k, k]) for k in range(len(slots))])
    walked, second = back @ there, 0.0
    for t in range(len(features)):
        row = unit[1][t] @ unit[1].T
        weights = np.where((row >= threshold) | (np.arange(len(row)) == t), np.exp(row / temperature), 0.0)
        second -= (weights / weights.sum() * np.log(walked[t])).sum() / len(features)
    return first, second


@pytest.mark.parametrize(("temperature", "threshold"), [(0.1, 0.5), (0.7, -1.0), (0.3, 1.0)])
def test_cycles_by_loops(temperature, threshold):
    slots, features = (RNG.normal(size=(4, count, 6)).astype("float32") for count in (3, 8))
    found = (
        numbers(slot_cycle_loss(slots, features, temperature)),
        numbers(feature_cycle_loss(slots, features, temperature, threshold)),
    )
    expected = np.array([slow_cycles(s, f, temperature, threshold) for s, f in zip(slots, features, strict=True)])
    np.testing.assert_allclose(found[0], expected[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], expected[:, 1], rtol=1e-4, atol=1e-5)


def test_slots_that_are_apart_come_back_and_twins_share_their_way():
    features = np.eye(4, dtype="float32")[[0, 0, 1, 2, 2, 2, 3]][None]
    slots = np.eye(4, dtype="float32")[None]
    assert float(slot_cycle_loss(slots, features, 0.02)[0]) == pytest.approx(0.0, abs=1e-5)
    twins = slots[:, [0, 0, 2, 3]]
    # Two of the four rows lose half of their way; the other two come back.
    assert float(slot_cycle_loss(twins, features[:, [0, 1, 3, 4, 5, 6]], 0.02)[0]) == pytest.approx(
        np.log(2) / 2, abs=1e-5
    )
    assert float(slot_cycle_loss(slots[:, [1, 1]], features, 0.02)[0]) == pytest.approx(np.log(2), abs=1e-5)


def test_features_need_come_back_to_their_like_alone():
    """With a slot for each kind, a walk ends evenly among the features of the kind, which is the target."""
    features = np.eye(3, dtype="float32")[[0, 0, 1, 2, 2, 2]][None]
    slots = np.eye(3, dtype="float32")[None]
    entropy = (2 * np.log(2) + 0 + 3 * np.log(3)) / 6  # of the targets, the least value
    assert float(feature_cycle_loss(slots, features, 0.02)[0]) == pytest.approx(entropy, abs=1e-4)
    assert float(feature_cycle_loss(slots[:, [0, 0, 1]], features, 0.02)[0]) > entropy + 0.1


def test_cycles_do_not_depend_on_the_order_of_slots_or_features_or_on_scale():
    slots, features = (RNG.normal(size=(2, count, 5)).astype("float32") for count in (3, 6))
    for loss in (slot_cycle_loss, feature_cycle_loss):
        found = numbers(loss(slots, features))
        np.testing.assert_allclose(numbers(loss(slots[:, [2, 0, 1]], features)), found, atol=1e-5)
        np.testing.assert_allclose(numbers(loss(slots, features[:, ::-1].copy())), found, atol=1e-5)
        np.testing.assert_allclose(numbers(loss(3 * slots, 0.5 * features)), found, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: slot_cycle_loss(x, x[:, :, :2]), r"must be \[N, K, D\] and \[N, T, D\]. Received: slots.shape"),
        (lambda x: slot_cycle_loss(x[0], x), "Received: slots.shape"),
        (lambda x: slot_cycle_loss(x, x, 0.0), "Received: temperature=0.0"),
        (lambda x: feature_cycle_loss(x, x, 0.1, 1.5), "Received: threshold=1.5"),
        (lambda x: matched_mask_loss(x, np.zeros((2, 4), int)), "Received: logits.shape.*masks.shape"),
        (lambda x: matched_mask_loss(x[0], np.zeros((2, 3), int)), "Received: logits.shape"),
        (
            lambda x: matched_mask_loss(np.ones((1, 8, 3), "float32"), np.zeros((1, 3), int)),
            "at most 7 slots. Received",
        ),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 4, 3), "float32"))
