import json
import math

import keras
import numpy as np
import pytest

from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.mlp_head import MLPHead


def batch(rows=8, seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, (rows, 3)).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def student():
    """An encoder with batch norm, and a head: the modules that BYOL and MoCo hand over."""
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), BatchNormalization(), keras.layers.ReLU()])
    head = MLPHead((5, 2))
    head.build((None, 4))
    return [encoder, head]


def run(modules, x, training):
    for module in modules:
        x = module(x, training=training)
    return x


def weights_of(modules):
    return [weight for module in modules for weight in module.weights]


def values(modules):
    return [numbers(weight).copy() for weight in weights_of(modules)]


def shift(modules, seed):
    """Moves every weight of the student, moving statistics too, as a step of training would."""
    rng = np.random.default_rng(seed)
    for weight in weights_of(modules):
        weight.assign(numbers(weight) + rng.uniform(0.1, 1.0, weight.shape).astype("float32"))


def test_starts_as_the_student_and_shares_nothing_with_it():
    modules, x = student(), batch()
    shift(modules, 0)
    teacher = EMATeacher(modules)
    np.testing.assert_array_equal(numbers(teacher(x)), numbers(run(modules, x, False)))
    before = values(teacher.modules)
    shift(modules, 1)
    for have, want in zip(values(teacher.modules), before, strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("average_statistics", [False, True])
def test_update_follows_numpy_along_the_momentum_schedule(average_statistics):
    modules = student()
    teacher = EMATeacher(modules, momentum=0.5, final_momentum=0.9, average_statistics=average_statistics)
    follows = [weight.trainable or average_statistics for weight in weights_of(modules)]
    assert sum(follows) == (len(follows) if average_statistics else len(follows) - 4)
    expected = [value.astype("float64") for value in values(modules)]
    for count in (0, 3, 7, 10, 12):
        shift(modules, count)
        momentum = 0.9 - 0.4 * (1 + math.cos(math.pi * min(count / 10, 1))) / 2
        used = teacher.update(modules, count, 10)
        assert float(used) == pytest.approx(momentum, rel=1e-6)
        expected = [
            momentum * old + (1 - momentum) * new if moves else old
            for old, new, moves in zip(expected, values(modules), follows, strict=True)
        ]
        for have, want in zip(values(teacher.modules), expected, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("momentum", "final", "count", "total", "expected"),
    [
        (0.7, None, 50, 100, 0.7),
        (0.7, 1.0, 50, 100, 0.85),
        (0.7, 1.0, 500, 0, 0.7),
        (0.7, 1.0, 100, 100, 1.0),
    ],
)
def test_update_returns_the_momentum_of_the_schedule(momentum, final, count, total, expected):
    modules = student()
    teacher = EMATeacher(modules, momentum, final)
    assert float(teacher.update(modules, count, total)) == pytest.approx(expected, rel=1e-6)
    # What is logged is the schedule, whether or not this step moved anything.
    assert float(teacher.update(modules, count, total, updated=False)) == pytest.approx(expected, rel=1e-6)


def test_momentum_one_stands_still_and_zero_copies():
    modules = student()
    still, copy = (
        EMATeacher(modules, momentum=1.0),
        EMATeacher(modules, momentum=0.0, average_statistics=True),
    )
    before = values(still.modules)
    shift(modules, 0)
    still.update(modules, 0, 0)
    copy.update(modules, 0, 0)
    for have, want in zip(values(still.modules), before, strict=True):
        np.testing.assert_array_equal(have, want)
    for have, want in zip(values(copy.modules), values(modules), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_step_that_did_not_update_the_student_leaves_everything_still(as_tensor):
    modules = student()
    teacher = EMATeacher(modules, momentum=0.5, average_statistics=True)
    before = values(teacher.modules)
    shift(modules, 0)
    updated = keras.ops.convert_to_tensor(False) if as_tensor else False
    teacher.update(modules, 3, 10, updated)
    for have, want in zip(values(teacher.modules), before, strict=True):
        np.testing.assert_array_equal(have, want)
    teacher.update(modules, 3, 10, keras.ops.convert_to_tensor(True) if as_tensor else True)
    assert all((have != want).any() for have, want in zip(values(teacher.modules), before, strict=True))


class Pair(keras.Model):
    def __init__(self, modules, teacher):
        super().__init__()
        self.modules_, self.teacher = modules, teacher
        self.built = True


def test_no_weight_of_the_teacher_is_trainable_and_those_of_the_student_remain_so():
    modules = student()
    trainable = sum(weight.trainable for weight in weights_of(modules))
    model = Pair(modules, EMATeacher(modules))
    assert model.teacher.trainable_variables == []
    assert len(model.teacher.non_trainable_variables) == len(weights_of(modules))
    assert len(model.trainable_variables) == trainable > 0


def test_thawing_the_whole_model_does_not_thaw_the_teacher():
    # An optimizer would then decay its weights.
    modules = student()
    model = Pair(modules, EMATeacher(modules))
    model.trainable = False
    model.trainable = True
    assert model.teacher.trainable_variables == []
    before = values(model.teacher.modules)
    model.teacher(batch(), training=True)
    assert any((have != want).any() for have, want in zip(values(model.teacher.modules), before, strict=True))


def test_its_batch_norm_takes_the_batch_in_training_and_its_own_statistics_at_rest():
    modules, x = student(), batch()
    teacher = EMATeacher(modules)
    before = values(teacher.modules)
    np.testing.assert_allclose(numbers(teacher(x, training=False)), numbers(run(modules, x, False)), rtol=1e-6)
    for have, want in zip(values(teacher.modules), before, strict=True):
        np.testing.assert_array_equal(have, want)

    trained = numbers(teacher(x, training=True))
    students_before = values(modules)
    norm = teacher.modules[0].layers[1]
    kernel, bias = (numbers(weight) for weight in teacher.modules[0].layers[0].weights)
    hidden = x @ kernel + bias
    np.testing.assert_allclose(numbers(norm.moving_mean), 0.1 * hidden.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(numbers(norm.moving_variance), 0.9 + 0.1 * hidden.var(0), rtol=1e-4)
    # The student's statistics are its own.
    for have, want in zip(values(modules), students_before, strict=True):
        np.testing.assert_array_equal(have, want)
    np.testing.assert_allclose(trained, numbers(run(modules, x, True)), rtol=1e-5, atol=1e-6)
    assert np.abs(trained - numbers(teacher(x, training=False))).max() > 1e-3


def test_no_gradient_passes_through():
    modules, x = student(), batch()
    teacher = EMATeacher(modules)
    if keras.backend.backend() == "jax":
        import jax

        for network, flows in ((lambda x: run(modules, x, False), True), (teacher, False)):
            gradient = jax.grad(lambda x, network=network: keras.ops.sum(network(x) ** 2))(x)
            assert bool((np.asarray(gradient) != 0).any()) is flows
        return
    import tensorflow as tf

    inputs = tf.constant(x)
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch([inputs, *(weight.value for weight in teacher.weights)])
        by_teacher = tf.reduce_sum(teacher(inputs) ** 2)
        by_student = tf.reduce_sum(run(modules, inputs, False) ** 2)
    assert tape.gradient(by_student, inputs) is not None
    assert tape.gradient(by_teacher, [inputs, *(weight.value for weight in teacher.weights)]) == [None] * (
        1 + len(teacher.weights)
    )


def test_frozen_layers_of_the_student_are_not_followed():
    modules = student()
    modules[0].trainable = False
    teacher = EMATeacher(modules, momentum=0.5)
    before = values(teacher.modules)
    shift(modules, 0)
    teacher.update(modules, 0, 0)
    moved = [(have != want).any() for have, want in zip(values(teacher.modules), before, strict=True)]
    count = len(modules[0].weights)
    assert not any(moved[:count])
    assert any(moved[count:])


def test_update_under_a_mixed_policy_is_done_in_float32():
    head = MLPHead((5, 2), dtype="mixed_float16")
    head.build((None, 3))
    teacher = EMATeacher([head], momentum=0.999)
    assert {weight.dtype for weight in teacher.weights} == {"float32"}
    before = values([head])[0].astype("float64")
    shift([head], 0)
    teacher.update([head], 0, 0)
    expected = 0.999 * before + 0.001 * values([head])[0]
    np.testing.assert_allclose(values(teacher.modules)[0], expected, rtol=1e-6, atol=1e-7)
    assert keras.backend.standardize_dtype(teacher(batch(), training=True).dtype) == "float16"


def test_output_shape_is_known_symbolically():
    assert tuple(EMATeacher(student())(keras.Input((3,))).shape) == (None, 2)


def test_config_round_trip():
    teacher = EMATeacher(student(), 0.9, 0.99, average_statistics=True, name="teacher")
    config = json.loads(json.dumps(teacher.get_config()))
    again = EMATeacher.from_config(config)
    assert (again.momentum, again.final_momentum, again.average_statistics) == (0.9, 0.99, True)
    assert again.name == "teacher"
    assert [tuple(weight.shape) for weight in again.weights] == [tuple(weight.shape) for weight in teacher.weights]
    assert again._averaged == teacher._averaged
    assert again.trainable_variables == []


def test_from_config_leaves_the_config_as_it_was():
    images = keras.Input((3,))
    config = EMATeacher([keras.Model(images, keras.layers.Dense(4)(images))]).get_config()
    assert EMATeacher.from_config(config).get_config() == EMATeacher.from_config(config).get_config() == config


@keras.saving.register_keras_serializable(package="tests")
class Distilled(keras.Model):
    def __init__(self, encoder, teacher=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.teacher = EMATeacher([encoder], momentum=0.5) if teacher is None else teacher
        self.built = True

    def call(self, x, training=False):
        return self.encoder(x, training=training) - self.teacher(x, training=training)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "teacher": serialize(self.teacher),
        }

    @classmethod
    def from_config(cls, config):
        made = {key: keras.saving.deserialize_keras_object(config[key]) for key in ("encoder", "teacher")}
        return cls(**{**config, **made})


def test_saves_and_loads_with_the_model_and_goes_on_following(tmp_path):
    model, x = Distilled(student()[0]), batch()
    shift([model.encoder], 0)
    model.teacher.update([model.encoder], 0, 0)
    model.teacher(x, training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(again(x)), numbers(model(x)))
    assert np.abs(numbers(model(x))).max() > 1e-3
    assert again.teacher.trainable_variables == []
    for one in (model, again):
        shift([one.encoder], 1)
        one.teacher.update([one.encoder], 1, 10)
    for have, want in zip(values([again.teacher]), values([model.teacher]), strict=True):
        np.testing.assert_array_equal(have, want)


def test_weights_are_restored_by_load_weights(tmp_path):
    model = Distilled(student()[0])
    shift([model.encoder], 0)
    model.teacher.update([model.encoder], 0, 0)
    model.save_weights(tmp_path / "model.weights.h5")
    again = Distilled(student()[0])
    again.load_weights(tmp_path / "model.weights.h5")
    for have, want in zip(values([again.teacher]), values([model.teacher]), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("kwargs", [{"momentum": 1.1}, {"momentum": -0.1}, {"final_momentum": 2}])
def test_refuses_a_momentum_outside_zero_and_one(kwargs):
    ((name, value),) = kwargs.items()
    with pytest.raises(ValueError, match=rf"`{name}` must lie in \[0, 1\]. Received: {name}={value}"):
        EMATeacher(student(), **kwargs)


class NoConfig(keras.layers.Layer):
    """Takes what no config can hold."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


class ForgetfulConfig(keras.layers.Layer):
    """Has a config that lacks an argument."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(width)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return super().get_config()


class WrongConfig(ForgetfulConfig):
    """Is rebuilt, but to another width."""

    def __init__(self, width=2, **kwargs):
        super().__init__(width, **kwargs)


class NoBuild(keras.layers.Layer):
    """Has a full config, but makes its weights when it is called: its copy has none."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.dense = keras.layers.Dense(width)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@pytest.mark.parametrize(
    ("kind", "argument"), [(NoConfig, lambda x: x), (ForgetfulConfig, 4), (WrongConfig, 4), (NoBuild, 4)]
)
def test_a_student_that_cannot_be_copied_is_refused_by_name(kind, argument):
    layer = kind(argument)
    layer(batch())
    with pytest.raises(ValueError, match=rf"teacher needs a student.*Received: {layer.name} of type {kind.__name__}"):
        EMATeacher([layer])


def test_a_student_that_is_not_built_is_refused():
    # Its copy would start from weights of its own, and `update` would fail in the middle of training.
    with pytest.raises(ValueError, match="teacher needs a student.*Received: dense"):
        EMATeacher([keras.layers.Dense(4, name="dense")])


def test_update_refuses_modules_that_are_not_those_of_the_construction():
    modules = student()
    teacher = EMATeacher(modules)
    with pytest.raises(ValueError):
        teacher.update(modules[:1], 0, 0)
