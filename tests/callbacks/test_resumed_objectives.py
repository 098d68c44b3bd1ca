"""One objective of each kind, with views and dropout, resumed at random steps: equal to the whole run, bit for bit."""

import random
import shutil

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import Checkpoint
from keras_ssl.callbacks.training_state import state_variables
from tests.callbacks.tiny_run import assert_equal_state, everything
from tests.objectives import tiny

EPOCHS, STEPS, RATE = 6, 5, 1e-3


def encoder():
    inputs = keras.Input((None, None, 3))
    features = keras_ssl.encoders.ConvNet(widths=(8, 16))(inputs)
    return keras.Model(inputs, keras.layers.Dropout(0.2, seed=3)(features))


def fit(model, folder, keep):
    images = np.random.RandomState(0).randint(0, 256, (12 * STEPS, 16, 16, 3)).astype("uint8")
    checkpoint = Checkpoint(folder, every_steps=1, keep=keep)
    return model.fit(images, batch_size=12, epochs=EPOCHS, verbose=0, callbacks=[checkpoint]).history


def spoil(model):
    """Leaves nothing in the model that a checkpoint does not bring back."""
    for variable in state_variables(model).values():
        variable.assign(np.full(variable.shape, 3))
    model.optimizer.learning_rate = RATE  # a setting too, and must be the run's


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("moco", 3, marks=pytest.mark.slow),
        *[pytest.param(name, 8, marks=pytest.mark.long) for name in ("barlow_twins", "simclr", "byol", "moco", "swav")],
    ],
)
def test_resumed_at_random_steps(tmp_path, monkeypatch, name, count):
    monkeypatch.setattr(tiny, "encoder", encoder)
    models = []
    for _ in range(2):
        random.seed(0)
        models.append(tiny.OBJECTIVES[name]())
        models[-1].compile(keras.optimizers.Adam(RATE))
    whole, late = models
    history = fit(whole, tmp_path / "whole", keep=EPOCHS * STEPS)
    expected = everything(whole)
    steps = random.Random(1).sample(range(1, EPOCHS * STEPS), count)
    for step in steps:
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "whole" / f"step-{step:010}", folder / f"step-{step:010}")
        spoil(late)
        resumed = fit(late, folder, keep=1)
        assert_equal_state(everything(late), expected)
        assert resumed == history, f"logs after a resumption at step {step}"
        shutil.rmtree(folder)
