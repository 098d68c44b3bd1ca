"""The decoder of several tasks against loops in float64, and its limits."""

from math import erf, sqrt

import keras
import numpy as np
import pytest

from keras_ssl.layers import TaskExpertDecoder

RNG = np.random.default_rng(0)
MAPS = [RNG.normal(size=(2, 3, 4, channels)).astype("float32") for channels in (5, 3)]


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def built(maps=MAPS, **options):
    keras.utils.set_random_seed(0)
    decoder = TaskExpertDecoder(**{"tasks": 2, "experts": 3, "width": 4, **options})
    decoder(maps)
    for weight in decoder.weights:
        weight.assign(weight + 0.2 * RNG.normal(size=weight.shape))
    return decoder


def gelu(x):
    return np.vectorize(lambda v: 0.5 * v * (1 + erf(v / sqrt(2))))(x)


def slow_experts(decoder, level, x):
    """The experts of one sample `[H, W, C]`: `[H, W, E, width]`."""
    kernel, bias = (numbers(w) for w in decoder.expert_layers[level].weights)
    height, width, _ = x.shape
    padded = np.pad(x.astype("float64"), ((1, 1), (1, 1), (0, 0)))
    found = np.zeros((height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            found[i, j] = np.einsum("abc,abco->o", padded[i : i + 3, j : j + 3], kernel) + bias
    return gelu(found).reshape(height, width, decoder.experts, decoder.width)


def slow(decoder, maps, start=None):
    """The outputs of one sample by task."""
    memory = [np.zeros((*maps[0].shape[:2], decoder.width)) if start is None else m for m in start or [0, 0]]
    made = []
    for level, x in enumerate(maps):
        experts, mean = slow_experts(decoder, level, x), x.mean(axis=(0, 1)).astype("float64")
        logits = mean @ numbers(decoder.gate_layers[level].kernel) + numbers(decoder.gate_layers[level].bias)
        logits = logits.reshape(decoder.tasks, decoder.experts)
        shares = mean @ numbers(decoder.memory_gates[level].kernel) + numbers(decoder.memory_gates[level].bias)
        made = []
        for task in range(decoder.tasks):
            gates = np.exp(logits[task]) / np.exp(logits[task]).sum()
            mixed = sum(gate * experts[:, :, i] for i, gate in enumerate(gates))
            mixed = mixed + memory[task] / (1 + np.exp(-shares[task]))
            made.append(mixed)
            if level < len(maps) - 1:
                update = decoder.memory_updates[level * decoder.tasks + task]
                memory[task] = memory[task] + mixed @ numbers(update.kernel) + numbers(update.bias)
    return made


def test_equals_loops():
    decoder = built()
    found = decoder(MAPS)
    given = [RNG.normal(size=(2, 3, 4, 4)).astype("float32") for _ in range(2)]
    continued = decoder(MAPS, memories=given)
    for n in range(2):
        sample = [x[n] for x in MAPS]
        for outputs, start in ((found, None), (continued, [memory[n].astype("float64") for memory in given])):
            for task, expected in enumerate(slow(decoder, sample, start)):
                np.testing.assert_allclose(numbers(outputs[task])[n], expected, atol=1e-4)


def test_gates_sum_to_1_for_each_task_and_sample_and_differ_between_samples():
    decoder = built()
    for level, x in enumerate(MAPS):
        gates = numbers(decoder.gates(x, level))
        assert gates.shape == (2, 2, 3) and (gates > 0).all()
        np.testing.assert_allclose(gates.sum(axis=2), 1.0, atol=1e-6)
        assert np.abs(gates[0] - gates[1]).max() > 1e-3 and np.abs(gates[:, 0] - gates[:, 1]).max() > 1e-3


def test_one_expert_is_a_shared_decoder():
    decoder = built(MAPS[0], experts=1, memory=False)
    outputs = [numbers(x) for x in decoder(MAPS[0])]
    np.testing.assert_allclose(numbers(decoder.gates(MAPS[0])), 1.0)
    for n in range(2):
        expected = slow_experts(decoder, 0, MAPS[0][n])[:, :, 0]
        for output in outputs:
            np.testing.assert_allclose(output[n], expected, atol=1e-5)


def test_an_empty_memory_takes_nothing_away():
    decoder = built(MAPS[0])
    without = TaskExpertDecoder(tasks=2, experts=3, width=4, memory=False)
    without(MAPS[0])
    without.expert_layers[0].set_weights(decoder.expert_layers[0].get_weights())
    without.gate_layers[0].set_weights(decoder.gate_layers[0].get_weights())
    zeros = [np.zeros((2, 3, 4, 4), "float32")] * 2
    for one, two, three in zip(without(MAPS[0]), decoder(MAPS[0]), decoder(MAPS[0], memories=zeros), strict=True):
        np.testing.assert_allclose(numbers(one), numbers(two), atol=1e-6)
        np.testing.assert_allclose(numbers(one), numbers(three), atol=1e-6)


def test_permuted_experts_with_their_gates_change_nothing():
    decoder = built()
    outputs = [numbers(x) for x in decoder(MAPS)]
    order = [2, 0, 1]
    for level in range(2):
        for layer, outer in ((decoder.expert_layers[level], False), (decoder.gate_layers[level], True)):
            for weight in layer.weights:
                old = numbers(weight)
                split = (2, 3) if outer else (3, 4)
                axis = old.ndim if outer else old.ndim - 1
                parts = old.reshape(*old.shape[:-1], *split)
                weight.assign(np.take(parts, order, axis=axis).reshape(old.shape))
    for found, expected in zip(decoder(MAPS), outputs, strict=True):
        np.testing.assert_allclose(numbers(found), expected, atol=1e-5)


def test_the_memory_carries_features_from_layer_to_layer():
    decoder = built()
    outputs = [numbers(x) for x in decoder(MAPS)]
    other = [numbers(x) for x in decoder([MAPS[0][:, ::-1].copy(), MAPS[1]])]
    assert np.abs(outputs[0] - other[0]).max() > 1e-3
    forgetful = built(memory=False)
    outputs = [numbers(x) for x in forgetful(MAPS)]
    other = [numbers(x) for x in forgetful([MAPS[0][:, ::-1].copy(), MAPS[1]])]
    np.testing.assert_array_equal(outputs[0], other[0])


def test_config_file_and_every_weight_learns(tmp_path):
    decoder = built()
    assert TaskExpertDecoder.from_config(decoder.get_config()).get_config() == decoder.get_config()
    inputs = [keras.Input(x.shape[1:]) for x in MAPS]
    made = TaskExpertDecoder(tasks=2, experts=3, width=4)(inputs)
    assert [tuple(x.shape) for x in made] == [(None, 3, 4, 4)] * 2
    model = keras.Model(inputs, keras.layers.Add()(made))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(MAPS, verbose=0), model.predict(MAPS, verbose=0), atol=1e-6)
    model.train_on_batch(MAPS, RNG.normal(size=(2, 3, 4, 4)))
    still = [w.path for w, old in zip(model.weights, before, strict=True) if np.array_equal(numbers(w), old)]
    assert still == [path for path in still if "memory_gates1" in path]  # the first memory is empty


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TaskExpertDecoder(tasks=0), "Received: tasks=0"),
        (lambda: TaskExpertDecoder(tasks=2, experts=0), "Received: experts=0"),
        (lambda: TaskExpertDecoder(tasks=2, width=0), "Received: width=0"),
        (lambda: built()([MAPS[0], MAPS[1][:, :2]]), "one height and width. Received: shapes"),
        (lambda: built()(MAPS[0]), "built for, 2. Received: 1 maps"),
        (lambda: built()(MAPS, memories=[MAPS[0]] * 2), r"must be 2 maps \(3, 4, 4\).*Received: shapes"),
        (lambda: built(memory=False)(MAPS, memories=[np.ones((2, 3, 4, 4))] * 2), "Received: .*memory=False"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
