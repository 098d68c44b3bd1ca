"""Every objective with its default arguments fits a small array, and the loss that it has learned is lower."""

import ast
import inspect
import re
import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.registry import find, list_methods
from keras_ssl.testing.tiny_model import tiny_vit
from keras_ssl.training import engine
from tests.objectives.tiny import EAGERLY, encoder

EMPTY = inspect.Parameter.empty

NAMES = sorted(set(list_methods(modality="image")) & set(keras_ssl.objectives.__all__))  # not those of other tests
COUNT = 72  # more than the 64 dimensions that WMSE whitens by default
WIDEST = 2048
EPOCHS = 12


def small_array():
    """Two dozen kinds of images, three of each: a color, a bright patch, a little noise."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 200, (COUNT // 3, 1, 1, 3)) + np.zeros((COUNT // 3, 16, 16, 3), "int64")
    for kind, (top, left) in zip(kinds, rng.integers(0, 11, (len(kinds), 2)), strict=True):
        kind[top : top + 5, left : left + 5] = rng.integers(0, 256, 3)
    images = np.repeat(kinds, 3, axis=0) + rng.integers(0, 20, (COUNT, 16, 16, 3))
    labels = np.repeat(np.arange(COUNT // 3), 3).astype("int32")
    several = np.eye(COUNT // 3, dtype="float32")[labels]
    return {"x": np.minimum(images, 255).astype("uint8"), "y": labels, "group": labels, "labels": several}


def data_for(model):
    """The small array, with several labels of an image where the objective reads such."""
    data = small_array()
    several = data.pop("labels")
    return data | {"labels": several} if "labels" in model.batch_fields else data


def default_of(objective, argument):
    """The default of an argument, which a class may leave to its base."""
    for base in objective.__mro__:
        found = inspect.signature(base.__init__).parameters.get(argument)
        if found is not None:
            return found.default
    return None


def make_default(name, **changes):
    """The objective with nothing but what it must be given, and a head that a test can pay for: one rule for all."""
    objective = getattr(keras_ssl, name)
    # What has no default is taken from the arguments of a small model.
    options = {key: value for key, value in (objective.tiny or {}).items() if default_of(objective, key) is EMPTY}
    if "classes" in options:
        options["classes"] = COUNT // 3
    if "similarity" in options:
        options["similarity"] = np.eye(COUNT // 3, dtype="float32")
    if "image_size" in (objective.tiny or {}):  # of networks that take any size
        options["image_size"] = objective.tiny["image_size"]
    if "dataset_size" in inspect.signature(objective.__init__).parameters:
        options["dataset_size"] = COUNT
    widths = default_of(objective, "projector")
    if widths is not None and max(np.atleast_1d(widths)) > WIDEST:
        options["projector"] = tuple(min(int(width), 256) for width in widths)
    if "labeled_size" in inspect.signature(objective.__init__).parameters:
        options["labeled_size"] = COUNT
    tokens = find("objective", name).family == "masked" or objective.needs_tokens
    return objective(tiny_vit() if tokens else encoder(), **{**options, **changes})


def make_suited(name):
    """The objective with its defaults, less those of which `fit` warns that they do not suit so short a run.

    These are what the warning says. A queue stays as it is: where a batch is all the data, a queue of that size would
    hold each sample's own key as a negative.
    """
    plan, changes = keras_ssl.layers.Plan(COUNT, COUNT, EPOCHS), {}
    for _ in range(3):
        model = make_default(name, **changes)
        found = dict(re.findall(r"`(\w+)=([^`]+)` would suit", " ".join(model.advice(plan))))
        found.pop("queue_size", None)
        if not found:
            return model
        changes.update({key: ast.literal_eval(value) for key, value in found.items()})
    raise AssertionError(f"{name} goes on warning: {model.advice(plan)}")


def compiled(model):
    model.compile(keras_ssl.optimizers.LARS(0.2), run_eagerly=EAGERLY)
    return model


def fit(model, epochs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of defaults that do not suit so small a run: tests/training/test_advice.py
        return model.fit(data_for(model), epochs=epochs, verbose=0).history


def largest_default(name):
    """The largest number that the objective takes where it is told none."""
    found = inspect.signature(getattr(keras_ssl, name).__init__).parameters.values()
    return max((one.default for one in found if isinstance(one.default, int)), default=0)


# Queues of 100,000 embeddings and last layers of as many outputs take longer than all others together.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if largest_default(name) > 50_000 else ()) for name in NAMES]
)
def test_one_step_with_default_arguments(name):
    history = fit(compiled(make_default(name)), epochs=1)
    assert np.isfinite(history["loss"]).all()


def state_variables(model):
    """What does not learn by the loss: what layers of state hold, counters, weights that another loss trains.

    Such weights say what the loss weighs how much: with others, it is another loss.
    """
    kept = [layer for layer in model._flatten_layers() if isinstance(layer, keras_ssl.layers.StateLayer)]
    weights = [weight for layer in kept for weight in layer.weights] + getattr(model, "meta_weights", [])
    return {id(weight) for weight in (*weights, model.step, model.total_updates)}


def loss_now(model):
    """The loss of one fixed batch in training mode, under views of one fixed step; changes nothing."""
    batch = {name: keras.ops.convert_to_tensor(value) for name, value in data_for(model).items()}
    batch["index"] = keras.ops.arange(COUNT, dtype="int32")
    with keras.StatelessScope():
        prepared, step = engine.prepare(model, batch, training=True)
        step = replace(step, seed=1, index=keras.ops.zeros((), "int32"))
        return float(keras.ops.convert_to_numpy(engine.forward(model, prepared, step).loss))


def never_full(model):
    return any("never full" in sentence for sentence in model.advice(keras_ssl.layers.Plan(COUNT, COUNT, EPOCHS)))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_training_with_default_arguments_lowers_the_loss(name):
    """Loss of the weights after training and of those before, both against the state after it.

    The loss of a queue, a teacher or a center changes with what they hold: it rises by design while a queue of random
    vectors fills with real ones. Against one and the same state the weights alone decide. Where `fit` itself warns that
    the run never fills a queue, random vectors are most of what the loss sees to the end: it must then stay below the
    loss at chance, if the objective knows it. A loss that starts at its floor (a student that is its teacher) cannot
    fall: it must stay near it.
    """
    model = compiled(make_suited(name))
    kept = state_variables(model)
    learned = [weight for weight in model.weights if id(weight) not in kept]
    before = [keras.ops.convert_to_numpy(weight) for weight in learned]
    history = fit(model, EPOCHS)["loss"]
    after = loss_now(model)
    for weight, value in zip(learned, before, strict=True):
        weight.assign(value)
    start = loss_now(model)
    print(f"{name}: {start:.4f} at the start, {after:.4f} at the end; logged {history[0]:.4f} to {history[-1]:.4f}")
    expected = model.expected_loss(COUNT)
    bound = start
    if never_full(model) and expected.initial is not None:
        bound = max(start, expected.initial)
    elif expected.floor is not None and start - expected.floor < 1e-3:
        bound = expected.floor + 1e-2
    assert np.isfinite(after) and after < bound
