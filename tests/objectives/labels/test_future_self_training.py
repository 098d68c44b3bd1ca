"""The virtual step of FutureSelfTraining: against plain gradients of a model without one, and in closed form."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from keras_ssl.training import engine
from keras_ssl.training.functional import value_and_gradients
from tests.objectives.labels.semi import LABELS, array

IMAGES = (np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)) / 255.0).astype("float32")
ROWS = np.concatenate([np.random.default_rng(1).normal(size=(8, 4)), np.zeros((8, 1))], axis=1).astype("float32")


def model_of(**options):
    """A linear network of rows of numbers, whose views are the rows themselves."""
    keras.utils.set_random_seed(3)
    x = keras.Input((5,))
    encoder = keras.Model(x, keras.layers.Dense(4, use_bias=False)(x))
    options = {"threshold": 0.0, "momentum": 0.8, **options}
    model = keras_ssl.FutureSelfTraining(encoder, 3, views=lambda x, stream: [x, 0.5 * x], **options)
    model.compile(keras.optimizers.SGD(0.3), run_eagerly=keras.backend.backend() == "tensorflow")
    return model


def weights(layers):
    return [array(weight) for layer in layers for weight in layer.weights]


def fit(model, **options):
    return model.fit(ROWS, LABELS, batch_size=8, shuffle=False, verbose=0, **options).history


def soft(rows):
    e = np.exp(rows - rows.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gradient(student, teacher):
    """Of the loss by W, V and b, in float64: features x W, logits x W V + b."""
    (w, v, b), (tw, tv, tb) = student, teacher
    x = ROWS.astype("float64")
    target = (x @ tw @ tv + tb).argmax(axis=1)
    total = [np.zeros_like(part) for part in student]
    for rows, labels, mask in ((x, LABELS, LABELS >= 0), (0.5 * x, target, LABELS < 0)):
        slope = (soft(rows @ w @ v + b) - np.eye(3)[labels]) * mask[:, None] / mask.sum()
        total[0] += rows.T @ slope @ v.T
        total[1] += (rows @ w).T @ slope
        total[2] += slope.sum(axis=0)
    return total


def step(student, teacher, rate, virtual, depth, momentum):
    if depth:
        future = student
        for _ in range(depth):
            future = [a - virtual * g for a, g in zip(future, gradient(future, teacher), strict=True)]
            teacher = [momentum * t + (1 - momentum) * a for t, a in zip(teacher, future, strict=True)]
    student = [a - rate * g for a, g in zip(student, gradient(student, teacher), strict=True)]
    if not depth:
        teacher = [momentum * t + (1 - momentum) * a for t, a in zip(teacher, student, strict=True)]
    return student, teacher


@pytest.mark.parametrize(("depth", "virtual"), [(0, None), (1, None), (1, 2.0), (3, 1.0), (1, 0.0)])
def test_three_steps_equal_the_reference(depth, virtual):
    model = model_of(depth=depth, virtual_rate=virtual)
    student = [part.astype("float64") for part in weights(model.student)]
    teacher = list(student)
    for _ in range(3):
        fit(model)
        student, teacher = step(student, teacher, 0.3, 0.3 if virtual is None else virtual, depth, 0.8)
        for found, mine in zip(weights(model.student), student, strict=True):
            np.testing.assert_allclose(found, mine, rtol=1e-4, atol=1e-5)
        for found, mine in zip(weights(model.teacher.modules), teacher, strict=True):
            np.testing.assert_allclose(found, mine, rtol=1e-4, atol=1e-5)


def test_equal_futures_side_by_side_are_one():
    one, three = model_of(), model_of(width=3)
    fit(one)
    fit(three)
    for mine, theirs in zip(one.get_weights(), three.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def test_momentum_one_never_moves_the_teacher():
    model = model_of(momentum=1.0, depth=2)
    before = weights(model.teacher.modules)
    fit(model, epochs=2)
    for mine, theirs in zip(before, weights(model.teacher.modules), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_virtual_step_leaves_no_trace():
    model = model_of(depth=2, virtual_rate=5.0)
    data = {"x": keras.ops.convert_to_tensor(ROWS), "y": keras.ops.convert_to_tensor(LABELS)}
    batch, now = engine.prepare(model, data, training=True)
    before = weights(model.student)

    def virtual():
        model.gradients(batch, now)
        return keras.ops.zeros(())

    if keras.backend.backend() == "jax":
        value_and_gradients(lambda: virtual() + keras.ops.sum(model.trainable_variables[0]), model)
    else:
        virtual()
    for mine, theirs in zip(before, weights(model.student), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "depth=-1"),
        ({"width": 0}, "width=0"),
        ({"width": 2, "depth": 3}, "width=2, depth=3"),
        ({"virtual_rate": float("nan")}, "virtual_rate=nan"),
        ({"threshold": 2}, "threshold=2"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.FutureSelfTraining(tiny_encoder(), 3, **options)
