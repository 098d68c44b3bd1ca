"""Slot-TTA: no steps, bitwise restoring, scenes by themselves, lower reconstruction errors."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.adaptation import SlotTTA
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_vit

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype("uint8")


def numbers(x):
    return np.array(keras.ops.convert_to_numpy(x))


@pytest.fixture(params=[tiny_encoder, tiny_vit])
def model(request):
    keras.utils.set_random_seed(0)
    return keras_ssl.SlotAutoencoder(request.param(), slots=3, slot_width=8, decoder_width=12, decoder_depth=2)


def state(adapter):
    return [numbers(variable) for variable in (*adapter.model.variables, *adapter.optimizer.variables)]


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_without_steps_the_masks_are_those_of_the_model(model):
    adapter = SlotTTA(model, steps=0)
    start = state(adapter)
    np.testing.assert_array_equal(adapter.segment(IMAGES), model.segment(IMAGES))
    np.testing.assert_allclose(adapter.step(IMAGES), numbers(model.decompose(IMAGES).masks), atol=1e-5)
    assert same(start, state(adapter))


def test_every_scene_starts_from_the_same_weights_which_come_back_to_the_bit(model):
    adapter = SlotTTA(model, keras.optimizers.Adam(0.05), steps=3)
    start = state(adapter)
    together = adapter.segment(IMAGES)
    assert same(start, state(adapter))
    alone = np.concatenate([adapter.segment(IMAGES[n : n + 1]) for n in (2, 1, 0)])[::-1]
    np.testing.assert_array_equal(together, alone)
    assert same(start, state(adapter))


def test_the_steps_are_those_of_the_optimizer_on_the_scene(model):
    adapter = SlotTTA(model, keras.optimizers.SGD(0.01), steps=2)
    adapter.step(IMAGES[:1])
    adapted = numbers(model.decompose(IMAGES[:1]).masks)[0].argmax(axis=0)
    moved = [numbers(variable) for variable in model.variables]
    assert not same(moved, adapter._kept[: len(moved)])
    adapter.restore()
    assert same([numbers(variable) for variable in model.variables], adapter._kept[: len(moved)])
    assert (adapter.segment(IMAGES[:1])[0] == adapted).mean() > 0.98  # compiled and not


def test_a_small_step_does_not_raise_the_reconstruction_error(model):
    adapter = SlotTTA(model, keras.optimizers.SGD(1e-3), steps=1)
    errors = []
    for _ in range(5):
        errors.append(float(model.decompose(IMAGES[:1]).error[0]))
        adapter.step(IMAGES[:1])
    assert all(late <= early for early, late in zip(errors, errors[1:], strict=False)) and errors[-1] < errors[0]


def test_the_usual_optimizer_is_that_of_the_authors_code(model):
    adapter = SlotTTA(model)
    assert isinstance(adapter.optimizer, keras.optimizers.Adam) and adapter.steps == 150
    assert float(adapter.optimizer.learning_rate) == pytest.approx(5e-4)


def test_the_encoder_alone_may_adapt(model):
    adapter = SlotTTA(model, keras.optimizers.SGD(0.01), steps=1, part="encoder")
    before = {variable.path: numbers(variable) for variable in model.variables}
    adapter.step(IMAGES[:1])
    inner = {variable.path for variable in model.encoder.trainable_variables}
    changed = {path for path, old in before.items() if not np.array_equal(old, numbers(_named(model, path)))}
    assert changed and changed <= inner


def _named(model, path):
    return next(variable for variable in model.variables if variable.path == path)


def test_a_scene_without_a_finite_loss_is_refused_and_changes_nothing(model):
    adapter = SlotTTA(model, keras.optimizers.Adam(0.05), steps=2)
    start = state(adapter)
    images = (IMAGES / 255).astype("float32")
    images[1] = np.nan
    with pytest.raises(ValueError, match="must be finite. Received: loss=nan"):
        adapter.segment(images)
    assert same(start, state(adapter))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: SlotTTA(m.encoder), "with a method `decompose`.*Received: model="),
        (lambda m: SlotTTA(m, steps=-1), "Received: steps=-1"),
        (lambda m: SlotTTA(m, part="decoder"), "Received: part='decoder'"),
        (lambda m: SlotTTA(m).segment(IMAGES[0]), r"Received: x.shape=\(16, 16, 3\)"),
    ],
)
def test_refuses(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)
