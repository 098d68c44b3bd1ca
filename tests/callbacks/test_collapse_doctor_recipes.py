"""No false alarm: the doctor finds nothing wrong with the first steps of any method's recipe for the digits.

And none of these steps has a loss below the floor.
"""

import gc
import warnings

import keras
import pytest

import keras_ssl
from tests.objectives.tiny import IMAGES

STEPS = 50


class Stop(keras.callbacks.Callback):
    """Keeps each step's loss, and ends training after so many steps of a run of several epochs."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()  # so that the logs are the step's own, not a running mean

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))
        if len(self.losses) == STEPS:
            self.model.stop_training = True


@pytest.fixture(scope="module")
def digits():
    return keras_ssl.data.colored_digits("train", seed=0, size=16)


@pytest.fixture(autouse=True)
def forget():
    yield
    keras.backend.clear_session()
    gc.collect()


def check(name, digits):
    x, y = digits
    recipe = keras_ssl.Recipe.read(f"{name}_digits")
    training = recipe.sections["training"]
    size = training["batch_size"]
    model = recipe.build_model()
    model.views.supports_jit = False  # to compile them takes longer than these steps
    # The schedule is that of the recipe's own run, of which this is the beginning.
    model.compile(recipe.build_optimizer(len(x) // size), jit_compile=training["jit_compile"])
    doctor = keras_ssl.callbacks.CollapseDoctor(x[:size], y[:size])
    stop = Stop()
    with warnings.catch_warnings():
        warnings.simplefilter("error", keras_ssl.callbacks.TrainingWarning)
        if "labels" in recipe.sections["data"]:
            data = {"x": recipe.build_data()[0]}
        else:
            data = {"x": {"x": x, "y": y, "group": y}, "batch_size": size}
        model.fit(**data, epochs=3, verbose=0, callbacks=[doctor, stop])
    assert len(stop.losses) == STEPS and not doctor.findings
    floor = model.expected_loss().floor
    if floor is not None:  # some methods cannot tell the least loss before training
        assert min(stop.losses) >= floor - 1e-4 * max(1.0, abs(floor))
    assert [updates for updates, _ in doctor._past] == [0, 10, 25, 50]


@pytest.mark.long
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the same numbers, by the conformance suite")
@pytest.mark.parametrize("name", IMAGES)
def test_nothing_is_wrong_with_any_recipe(name, digits):
    check(name, digits)
