"""A training run that PyTorch wrote, read into the objective, goes on with the loss that its authors' formula has."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.checkpoints import CheckpointError
from keras_ssl.training import Step, engine
from keras_ssl.views import View


def encoder(**options):
    return keras_ssl.encoders.ViT("Ti", 4, width=16, depth=2, heads=2, image_size=16, **options)


class Given(View):
    """The views that a test has."""

    makes_list = True

    def __init__(self, *views):
        self.views = views

    def apply(self, images, stream):
        return [keras.ops.convert_to_tensor(view) for view in self.views]


PLAIN = {"preprocessing": None}  # the images are what the encoder takes
HEADS = {**PLAIN, "projector": (10, 6), "out_dim": 9, "teacher_temperature": 0.05, "warmup_steps": 0, "freeze_steps": 0}


def mae(arrays):
    model = keras_ssl.MAE(encoder(position="sincos"), decoder_width=8, decoder_depth=2, decoder_heads=2, **PLAIN)
    return model, "mask", lambda stream, grid: arrays["keep"]


def ijepa(arrays):
    vit = encoder(position="sincos", class_token=False, pooling="mean")
    model = keras_ssl.IJEPA(vit, predictor_width=12, predictor_depth=2, predictor_heads=2, **PLAIN)
    return model, "mask", SimpleNamespace(split=lambda stream, grid: (arrays["context"], arrays["targets"]))


def dino(arrays):
    return keras_ssl.DINO(encoder(), **HEADS), None, None


def ibot(arrays):
    def draw_times(stream, grid, times):
        places, hidden = (arrays[name].reshape(2 * 2, -1) for name in ("places", "hidden"))
        return places, np.take_along_axis(hidden, places.astype("int64"), axis=1), hidden

    return keras_ssl.IBOT(encoder(), **HEADS), "mask", SimpleNamespace(draw_times=draw_times)


OBJECTIVES = {"MAE": mae, "IJEPA": ijepa, "DINO": dino, "IBOT": ibot}


def loaded(published, name):
    with np.load(published / f"run_{name}.npz") as file:
        arrays = dict(file)
    model, attribute, mask = OBJECTIVES[name](arrays)
    hub.load_checkpoint(model, published / f"run_{name}.pth")
    views = [arrays[key] for key in sorted(arrays) if key.startswith("crop")] or [arrays["images"]]
    model.views = Given(*views)
    if attribute is not None:
        setattr(model, attribute, mask)
    return model, arrays, views


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_the_authors(published, name):
    model, arrays, views = loaded(published, name)
    step = Step.at(2, training=False)
    outcome = engine.reduce(model, model.embed({"x": keras.ops.convert_to_tensor(views[0])}, step), step)
    loss = float(keras.ops.convert_to_numpy(outcome.loss))
    assert loss == pytest.approx(float(arrays["loss"]), rel=1e-5)
    assert arrays["loss"] > 0.01


@pytest.mark.parametrize("name", OBJECTIVES)
def test_training_goes_on(published, name):
    model, arrays, views = loaded(published, name)
    before = [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]
    teacher = getattr(model, "teacher", None)
    model.before_first_step()
    for weight, value in zip(model.weights, before, strict=True):  # what was read stays, the teacher too
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    if teacher is not None:
        assert not teacher.as_made


def test_a_head_made_otherwise_is_refused(published):
    model = keras_ssl.DINO(encoder(), **HEADS, batch_norm=True)
    with pytest.raises(CheckpointError, match="missing"):
        hub.load_checkpoint(model, published / "run_DINO.pth")
