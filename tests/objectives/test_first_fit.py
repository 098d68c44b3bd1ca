"""A teacher follows what the user does to the student before training; what was trained or loaded stays."""

import inspect
import warnings

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.objectives.joint_embedding import TeacherStudent as Base
from keras_ssl.testing.tiny_model import tiny_model
from tests.objectives.tiny import EAGERLY, cheap_views, encoder

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype("uint8")


def numbers(layers):
    return [keras.ops.convert_to_numpy(weight) for layer in layers for weight in layer.weights]


def scramble(layers):
    rng = np.random.default_rng(1)
    for layer in layers:
        layer.set_weights([value + rng.normal(size=value.shape).astype(value.dtype) for value in layer.get_weights()])


# Small values of what objectives are told, for those that have an argument of this name.
SMALL = {
    "projector": (24, 12),
    "predictor": (24, 12),
    "base": "moco",
    "queue_size": 32,
    "hardest": 8,
    "mixes": 4,
    "query_mixes": 3,
    "out_dim": 10,
    "dataset_size": 40,
    "clusters": 5,
    "negatives": 6,
}
KINDS = [
    kind
    for kind in (getattr(keras_ssl.objectives, name) for name in keras_ssl.objectives.__all__)
    if issubclass(kind, Base)
]


def make(kind):
    if kind.tiny is not None:
        return tiny_model(kind.__name__, views=cheap_views())
    arguments = {}
    for base in reversed(kind.__mro__):
        arguments |= inspect.signature(base.__init__).parameters
    told = {name: value for name, value in SMALL.items() if name in arguments}
    if arguments.get("predictor") is not None and arguments["predictor"].default is None:
        del told["predictor"]  # of MoCo's second version and what is built on it
    if kind is keras_ssl.DirectPred:
        del told["predictor"]
    return kind(encoder(), views=cheap_views(), **told)


class Stop(Exception):
    pass


class AtBegin(keras.callbacks.Callback):
    """Ends `fit` before its first step."""

    def on_train_begin(self, logs=None):
        raise Stop


def begin(model):
    """What `fit` does before the first step."""
    model.compile("sgd")
    with warnings.catch_warnings(), pytest.raises(Stop):
        warnings.simplefilter("ignore")
        data = {"x": IMAGES, "y": np.arange(len(IMAGES), dtype="int32") % 2} if "y" in model.batch_fields else IMAGES
        model.fit(data, callbacks=[AtBegin()], verbose=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_teacher_is_the_student_as_it_is_at_the_first_fit(kind):
    model = make(kind)
    before = numbers(model.teacher.modules)
    scramble(model.student)  # encoder and heads
    begin(model)
    expected = before if model.fixed_teacher else numbers(model.student)
    for got, value in zip(numbers(model.teacher.modules), expected, strict=True):
        np.testing.assert_array_equal(got, value)


def test_which_objective_keeps_a_teacher_of_its_own():
    assert [kind for kind in KINDS if kind.fixed_teacher] == [keras_ssl.RandomTeacherDistillation]
    assert len(KINDS) > 8


def trained():
    model = keras_ssl.BYOL(
        keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(8)]),
        projector=(8, 4),
        predictor=(8, 4),
        momentum=0.5,
        views=cheap_views(),
    )
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    model.fit(IMAGES, verbose=0)
    return model


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_trained_teacher_stays():
    model = trained()
    kept = numbers(model.teacher.modules)
    assert not same(kept, numbers(model.student))
    scramble(model.student)
    begin(model)
    assert same(numbers(model.teacher.modules), kept)


def test_a_loaded_teacher_stays(tmp_path):
    model = trained()
    kept = numbers(model.teacher.modules)
    model.save_weights(tmp_path / "of.weights.h5")
    model.save(tmp_path / "whole.keras")
    again = type(model).from_config(model.get_config())
    again.compile("sgd")
    again.load_weights(tmp_path / "of.weights.h5")
    whole = keras.saving.load_model(tmp_path / "whole.keras")
    for other in (again, whole):
        begin(other)
        assert same(numbers(other.teacher.modules), kept)


def test_heads_of_an_export_stay():
    """Counters of steps are no part of an export: the model stands at step 0, with a teacher that was trained."""
    model = trained()
    kept = numbers(model.teacher.modules)
    again = type(model).from_config(model.get_config())
    weights = keras_ssl.hub.heads.head_weights(model)
    for name, variable in keras_ssl.hub.heads.head_weights(again).items():
        variable.assign(keras.ops.convert_to_numpy(weights[name]))
    begin(again)
    assert same(numbers(again.teacher.modules), kept)


def test_weights_read_into_the_encoder_count(tmp_path):
    model, other = make(keras_ssl.BYOL), make(keras_ssl.BYOL)
    other.encoder.save_weights(tmp_path / "encoder.weights.h5")
    model.encoder.load_weights(tmp_path / "encoder.weights.h5")
    assert not same(numbers(model.teacher.modules[:1]), numbers([other.encoder]))
    begin(model)
    assert same(numbers(model.teacher.modules[:1]), numbers([other.encoder]))
