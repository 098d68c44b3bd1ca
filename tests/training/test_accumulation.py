"""Accumulated gradients are those of the large batch where `accumulation_differences` names nothing, and only there."""

import random
import re
import warnings
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.layers import StateLayer
from tests.objectives.tiny import OBJECTIVES

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
COUNT, PARTS = 24, 2  # samples of a large batch, and the batches that it is cut into
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(2, 2 * COUNT, 4)).astype("float32")
IMAGES = RNG.integers(0, 256, (4, 2 * COUNT, 16, 16, 3)).astype("uint8")
LABELS = RNG.integers(0, 4, 2 * COUNT).astype("int32")


def of_vectors(objective, **options):
    def make():
        random.seed(0)  # of the initial weights
        encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, "tanh", name="dense")])
        return objective(encoder, projector=(8, 6), **options)

    return make


def without_statistics(model):
    """Batch normalization that changes nothing but by its scale and shift."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return model


def floating(model):
    """Weights, state among them, that are no counts."""
    return [np.array(weight).astype("float64") for weight in model.weights if "float" in weight.dtype]


def two_updates(model, views, parts):
    """The floating weights after each of two updates on large batches."""
    eager = ON_TENSORFLOW and views is VECTORS  # where that is faster than to trace
    steps = parts if parts > 1 else None
    model.compile(keras.optimizers.SGD(0.05, gradient_accumulation_steps=steps), run_eagerly=eager)
    after = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rows in (slice(COUNT), slice(COUNT, None)):
            number = np.arange(2 * COUNT, dtype="int32")[rows] % 40
            arrays = {"y": LABELS[rows], "group": LABELS[rows], "index": number, "x": tuple(v[rows] for v in views)}
            model.fit(arrays, batch_size=COUNT // parts, shuffle=False, verbose=0)
            after.append(floating(model))
    assert int(model.updates) == 2 and int(model.step) == 2 * parts
    return after


def compare(make, views, prepare=lambda model: model):
    """How far accumulation is from the large batch after each update, in parts of what the updates changed; and the
    differences that the model names."""
    whole, cut = prepare(make()), prepare(make())
    cut.set_weights(whole.get_weights())
    start = floating(whole)
    found = []
    for large, small in zip(two_updates(whole, views, 1), two_updates(cut, views, PARTS), strict=True):
        update = max(np.abs(a - b).max(initial=0.0) for a, b in zip(large, start, strict=True))
        size = max(1.0, *(np.abs(a).max(initial=0.0) for a in large))
        distance = max(np.abs(a - b).max(initial=0.0) for a, b in zip(large, small, strict=True))
        assert update > 5e-5  # else it would prove nothing
        found.append((distance / size, distance / update))
    return found, cut.accumulation_differences()


EQUAL, DIFFERENT = 1e-5, 3e-4  # of the weights' size, of the update's; DINO's center comes to 1e-3


@pytest.mark.slow
def test_equal_where_every_sample_has_a_loss_of_its_own_and_with_a_teacher():
    """The teacher moves once for each update, half way to the student."""
    make = of_vectors(keras_ssl.BYOL, predictor=(8, 6), momentum=0.5, final_momentum=0.5)
    found, named = compare(make, VECTORS, without_statistics)
    assert named == () and max(size for size, _ in found) < EQUAL


@pytest.mark.slow
def test_batch_statistics_make_a_difference():
    found, named = compare(of_vectors(keras_ssl.SimSiam, predictor=(4, 6)), VECTORS)
    assert len(named) == 1 and named[0].startswith("batch normalization")
    assert found[0][1] > DIFFERENT


@pytest.mark.slow
def test_comparing_samples_makes_a_difference():
    found, named = compare(of_vectors(keras_ssl.SimCLR, batch_norm=False), VECTORS)
    assert len(named) == 1 and named[0].startswith("the loss compares")
    assert found[0][1] > DIFFERENT


@pytest.mark.slow
def test_a_queue_makes_a_difference_from_the_second_update_on():
    found, named = compare(of_vectors(keras_ssl.MoCo, queue_size=32, momentum=0.5), VECTORS)
    assert named == ("of an update's micro-batches only the last enters queue",)
    assert found[1][1] > DIFFERENT


@pytest.mark.parametrize("combined", [False, True])
def test_means_over_labeled_samples_make_a_difference(combined):
    inputs = keras.Input((8, 8, 3))
    encoder = keras.Model(inputs, keras.layers.Flatten()(inputs))
    model = keras_ssl.FixMatch(encoder, classes=3)
    model = keras_ssl.training.Combined({"labels": model}) if combined else model
    (reason,) = model.accumulation_differences()
    assert reason.startswith("a mean is over the labeled samples")


class TestWarning:
    def fit(self, model, steps):
        model.compile(keras.optimizers.SGD(0.01, gradient_accumulation_steps=steps), run_eagerly=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for _ in range(2):
                model.fit(tuple(view[:8] for view in VECTORS), batch_size=4, verbose=0)
        return [(str(one.message), one.filename) for one in caught if "Accumulating" in str(one.message)]

    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_says_once_what_is_not_the_large_batch(self):
        ((message, place),) = self.fit(of_vectors(keras_ssl.SimCLR)(), 2)
        assert "the gradients of 2 batches is not training SimCLR on a batch 2 times as large" in message
        assert "the loss compares" in message and "; batch normalization" in message and place == __file__

    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_says_nothing_where_it_is(self):
        model = without_statistics(of_vectors(keras_ssl.SimSiam, predictor=(4, 6))())
        assert self.fit(model, 2) == []
        assert self.fit(of_vectors(keras_ssl.SimCLR)(), None) == []


def table():
    """The rows of the document: by recipe, whether samples are compared, and the layers that take the last."""
    text = (Path(__file__).parents[2] / "docs" / "precision_and_accumulation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z_0-9]+) \| (yes|no) \| (.*?) *\|$", text, re.MULTILINE)
    return {name: (compares, re.sub(r" *\(.*\)", "", layers)) for name, compares, layers in rows}


@pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
def test_the_document_names_objectives_of_the_library():
    assert table().keys() <= OBJECTIVES.keys() and len(table()) > 30


def without_views(name):
    """Takes ready-made views as they are: else those of a sample depend on the micro-batch that it is in."""
    model = OBJECTIVES[name]()
    model.explicit_views = False
    return model


@pytest.mark.long
@pytest.mark.parametrize("name", table())
def test_every_objective_is_what_it_says(name):
    model = OBJECTIVES[name]()
    state = [layer.name for layer in model._flatten_layers() if isinstance(layer, StateLayer) and layer.from_batch]
    row = ("yes" if model.compares_samples else "no", ", ".join(state))
    assert table().get(name, row) == row
    assert any(reason.startswith("batch normalization") for reason in model.accumulation_differences())
    found, named = compare(partial(without_views, name), IMAGES[: max(2, model.view_count)], without_statistics)
    assert (named == ()) is not (model.compares_samples or bool(state))
    if named:
        assert found[1][1] > DIFFERENT, found
    else:
        assert max(size for size, _ in found) < EQUAL and max(part for _, part in found) < DIFFERENT, found
