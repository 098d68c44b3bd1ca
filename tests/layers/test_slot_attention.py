"""Slot attention against loops in float64, its symmetries, and the decoder of slots."""

import keras
import numpy as np
import pytest

from keras_ssl.layers import SlotAttention, SlotDecoder
from keras_ssl.layers.grid_positions import grid_positions

RNG = np.random.default_rng(0)
TOKENS = RNG.normal(size=(2, 7, 5)).astype("float32")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def norm(x, layer):
    gain, shift = (numbers(w) for w in layer.weights)
    return gain * (x - x.mean()) / np.sqrt(x.var() + 1e-5) + shift


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow(layer, tokens, start):
    """One sample: tokens `[T, D]`, initial slots `[K, W]`."""
    kernel, recurrent, bias = (numbers(w) for w in layer.update.weights)
    normalized = [norm(token, layer.input_norm) for token in tokens.astype("float64")]
    keys = [x @ numbers(layer.key.kernel) for x in normalized]
    values = [x @ numbers(layer.value.kernel) for x in normalized]
    slots, width = [slot.astype("float64") for slot in start], layer.width
    for _ in range(layer.iterations):
        queries = [norm(slot, layer.slot_norm) @ numbers(layer.query.kernel) for slot in slots]
        attention = np.zeros((len(slots), len(keys)))
        for t, key in enumerate(keys):
            scores = np.exp([query @ key / np.sqrt(width) for query in queries])
            attention[:, t] = scores / scores.sum()
        after = []
        for k, slot in enumerate(slots):
            mean = sum(a * v for a, v in zip(attention[k], values, strict=True)) / attention[k].sum()
            x, h = mean @ kernel + bias[0], slot @ recurrent + bias[1]
            z = sigmoid(x[:width] + h[:width])
            r = sigmoid(x[width : 2 * width] + h[width : 2 * width])
            new = z * slot + (1 - z) * np.tanh(x[2 * width :] + r * h[2 * width :])
            hidden = np.maximum(norm(new, layer.mlp_norm) @ numbers(layer.mlp1.kernel) + numbers(layer.mlp1.bias), 0)
            after.append(new + hidden @ numbers(layer.mlp2.kernel) + numbers(layer.mlp2.bias))
        slots = after
    return np.array(slots), attention


@pytest.fixture
def layer():
    keras.utils.set_random_seed(0)
    layer = SlotAttention(slots=3, width=4, iterations=2, hidden=6)
    layer(TOKENS)
    for weight in layer.weights:  # biases and gains that are not their neutral elements
        weight.assign(weight + 0.2 * RNG.normal(size=weight.shape))
    return layer


def test_equals_loops(layer):
    start = RNG.normal(size=(2, 3, 4)).astype("float32")
    slots, attention = (numbers(x) for x in layer(TOKENS, start))
    for n in range(2):
        expected = slow(layer, TOKENS[n], start[n])
        np.testing.assert_allclose(slots[n], expected[0], atol=1e-4)
        np.testing.assert_allclose(attention[n], expected[1], atol=1e-5)


def test_attention_sums_to_1_over_slots_and_permuted_slots_stay_permuted(layer):
    start = RNG.normal(size=(2, 3, 4)).astype("float32")
    slots, attention = (numbers(x) for x in layer(TOKENS, start))
    np.testing.assert_allclose(attention.sum(axis=1), 1.0, atol=1e-5)
    order = [2, 0, 1]
    for found, expected in zip(layer(TOKENS, start[:, order]), (slots, attention), strict=True):
        np.testing.assert_allclose(numbers(found), expected[:, order], atol=1e-5)
    turned = [numbers(x) for x in layer(TOKENS[:, ::-1].copy(), start)]
    np.testing.assert_allclose(turned[0], slots, atol=1e-5)
    np.testing.assert_allclose(turned[1], attention[:, :, ::-1], atol=1e-5)


def test_equal_slots_stay_equal_and_share_each_token(layer):
    start = np.repeat(RNG.normal(size=(2, 1, 4)), 3, axis=1).astype("float32")
    slots, attention = (numbers(x) for x in layer(TOKENS, start))
    np.testing.assert_allclose(slots, slots[:, :1].repeat(3, axis=1), atol=1e-5)
    np.testing.assert_allclose(attention, 1 / 3, atol=1e-6)


def test_without_initial_slots_all_samples_start_from_the_noise_of_the_seed(layer):
    same = np.repeat(TOKENS[:1], 2, axis=0)
    slots = numbers(layer(same)[0])
    np.testing.assert_allclose(slots[0], slots[1], atol=1e-5)
    np.testing.assert_allclose(slots, numbers(layer(same)[0]), atol=1e-6)
    again = SlotAttention.from_config({**layer.get_config(), "seed": 1})
    again(TOKENS)
    again.set_weights(layer.get_weights())
    assert np.abs(numbers(again(same)[0]) - slots).max() > 1e-3
    zeros = numbers(layer.start(np.zeros((1, 3, 4), "float32")))
    np.testing.assert_allclose(zeros, np.broadcast_to(numbers(layer.mean), (1, 3, 4)), atol=1e-6)


def test_config_and_bad_arguments(layer):
    again = SlotAttention.from_config(layer.get_config())
    assert again.get_config() == layer.get_config() and again.hidden == 6
    assert layer.compute_output_shape((2, 7, 5)) == ((2, 3, 4), (2, 3, 7))
    for name in ("slots", "width", "iterations", "hidden"):
        with pytest.raises(ValueError, match=f"`{name}` must be a positive integer. Received: {name}=0"):
            SlotAttention(**{"slots": 2, name: 0})


def test_the_decoder_decodes_each_slot_and_place_by_itself():
    keras.utils.set_random_seed(0)
    decoder = SlotDecoder(patch_size=2, channels=3, width=6, depth=2)
    slots = RNG.normal(size=(2, 3, 4)).astype("float32")
    pixels, logits = (numbers(x) for x in decoder(slots, grid=(2, 3)))
    assert pixels.shape == (2, 3, 6, 12) and logits.shape == (2, 3, 6, 4)
    places = grid_positions((2, 3)).astype("float64")
    first, second = decoder.hidden
    for n in range(2):
        for k in range(3):
            for t in range(6):
                x = (
                    slots[n, k] @ numbers(first.kernel)
                    + numbers(first.bias)
                    + places[t] @ numbers(decoder.position.kernel)
                )
                x = np.maximum(x, 0) @ numbers(second.kernel) + numbers(second.bias)
                out = np.maximum(x, 0) @ numbers(decoder.output_layer.kernel) + numbers(decoder.output_layer.bias)
                np.testing.assert_allclose(pixels[n, k, t], out[:12], atol=1e-5)
                np.testing.assert_allclose(logits[n, k, t], out[12:], atol=1e-5)
    order = [1, 2, 0]
    for found, expected in zip(decoder(slots[:, order], grid=(2, 3)), (pixels, logits), strict=True):
        np.testing.assert_allclose(numbers(found), expected[:, order], atol=1e-5)
    assert SlotDecoder.from_config(decoder.get_config()).get_config() == decoder.get_config()
    for name in ("patch_size", "channels", "width", "depth"):
        with pytest.raises(ValueError, match=f"Received: {name}=0"):
            SlotDecoder(**{"patch_size": 2, name: 0})


def test_positions_are_distances_from_the_edges():
    found = grid_positions((2, 4))
    assert found.shape == (8, 4) and len(np.unique(found, axis=0)) == 8
    np.testing.assert_allclose(found[:, :2] + found[:, 2:], 1.0)
    np.testing.assert_allclose(found[5], [0.75, 0.375, 0.25, 0.625])
