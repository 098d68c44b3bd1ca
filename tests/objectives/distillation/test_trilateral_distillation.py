"""TGeo-KD: the fused loss, its limits, and the gradient of the ratio's network against finite differences."""

import keras
import numpy as np
import pytest

from keras_ssl import losses
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
LABELS = np.array([0, 1, 2, 3, -1, 1, 2, 0], "int32")
S, T = draws(6, 4), 2 * draws(6, 4, seed=1)
Y = np.array([0, -1, 3, 2, -1, 1], "int32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def softmax(z):
    z = np.asarray(z, "float64")
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def batch():
    arrays = {"x": IMAGES, "y": LABELS, "index": np.arange(8, dtype="int32")}
    return {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}


def classifier_teacher():
    return keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])


def test_the_fused_loss_equals_the_reference():
    ratio = np.array([0.0, 0.2, 0.5, 1.0, 0.7, 0.9], "float32")
    found = numbers(losses.fused_distillation_loss(S, T, Y, ratio, 3.0))
    p, q, s = softmax(T / 3.0), softmax(S / 3.0), softmax(S)
    for k in range(6):
        kl = 9.0 * np.sum(p[k] * np.log(p[k] / q[k]))
        expected = kl if Y[k] < 0 else ratio[k] * kl - (1 - ratio[k]) * np.log(s[k, Y[k]])
        assert found[k] == pytest.approx(expected, rel=1e-4)


def test_a_constant_ratio_is_hintons_loss():
    y = np.maximum(Y, 0)
    found = numbers(losses.fused_distillation_loss(S, T, y, np.full(6, 0.9, "float32"), 4.0))
    hard = -np.log(softmax(S)[np.arange(6), y])
    np.testing.assert_allclose(found, 0.9 * numbers(losses.softened_kl_loss(S, T, 4.0)) + 0.1 * hard, rtol=1e-4)


def test_a_teacher_that_says_the_label_makes_the_ratio_matter_to_nothing():
    y = np.maximum(Y, 0)
    sure = 200.0 * np.eye(4, dtype="float32")[y]

    def loss(ratio):
        return keras.ops.sum(losses.fused_distillation_loss(S, sure, y, ratio, 1.0))

    values = [differentiate(loss, np.full(6, a)) for a in (0.1, 0.8)]
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-5)
    np.testing.assert_allclose(values[0][1][0], 0.0, atol=1e-5)


def test_the_geometry_is_that_of_the_four_points():
    means = softmax(draws(4, 4, seed=5)).astype("float32")
    found = numbers(losses.trilateral_geometry(S, T, Y, means))
    s, t = softmax(S), softmax(T)
    for k in range(6):
        y = np.eye(4)[Y[k]] if Y[k] >= 0 else np.zeros(4)
        m = means[Y[k]] if Y[k] >= 0 else np.zeros(4)
        edges = [s[k] - y, t[k] - y, s[k] - t[k], s[k] - m, m - y]
        expected = np.concatenate([*edges, [np.linalg.norm(edge) for edge in edges]])
        np.testing.assert_allclose(found[k], expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"and \(4, 3\)"):
        losses.trilateral_geometry(S, T, Y, means[:, :3])


def model_of(**options):
    return tiny_model("TrilateralDistillation", teacher=classifier_teacher(), **options)


def test_ratios_lie_between_zero_and_one_and_have_no_gradient_of_the_student():
    model = model_of()

    def total(student, teacher):
        return keras.ops.sum(model.ratio(student, teacher, Y))

    _, gradients = differentiate(total, S, T, dtype="float32")
    assert not any(np.any(gradient) for gradient in gradients)
    ratio = numbers(model.ratio(100 * S, 100 * T, Y))
    assert (ratio > 0).all() and (ratio < 1).all()


def test_held_out_samples_are_a_function_of_their_number_and_are_not_trained_on():
    model = model_of(held_out=0.25)
    index = np.arange(4000, dtype="int32")
    held = numbers(model.held(index))
    np.testing.assert_array_equal(held[::-1], numbers(model.held(index[::-1].copy())))
    assert held.mean() == pytest.approx(0.25, abs=0.03)
    z = {
        "features": S,
        "logits": S,
        "teacher": T,
        "y": Y,
        "index": np.arange(6, dtype="int32"),
        "held": np.array([1, 0, 0, 1, 0, 0], "float32"),
    }
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in z.items()}
    found = engine.reduce(model, tensors, Step.at(6))
    ratio = numbers(model.ratio(S, T, Y)).astype("float32")
    fused = numbers(losses.fused_distillation_loss(S, T, Y, ratio, 4.0))
    assert value(found.loss) == pytest.approx(fused[[1, 2, 4, 5]].mean(), rel=1e-5)
    s = softmax(S)
    assert value(found.logs["held_out"]) == pytest.approx(-np.log([s[0, 0], s[3, 2]]).mean(), rel=1e-5)


def test_the_gradient_of_the_ratio_is_that_of_the_held_out_loss_after_the_virtual_step():
    """By finite differences of a whole unrolled step, along the gradient and along a random direction."""
    keras.utils.set_random_seed(1)
    model = model_of(virtual_rate=1.0, held_out=0.5)
    held = numbers(model.held(np.arange(8)))
    assert 0 < held[LABELS >= 0].sum() < (LABELS >= 0).sum()
    step = Step.at(8)
    variables = model.trainable_variables
    own = {id(weight) for layer in (model.ratio_hidden, model.ratio_output) for weight in layer.weights}
    _, gradients = model.gradients(batch(), step)
    meta = [numbers(g) for v, g in zip(variables, gradients, strict=True) if id(v) in own]
    weights = [v for v in variables if id(v) in own]
    assert any(np.abs(g).max() > 1e-3 for g in meta)

    def held_out_loss():
        _, inner = model.loss_and_gradients(batch(), step, at=[keras.ops.convert_to_tensor(v) for v in variables])
        start = [np.array(v) for v in variables]
        for variable, gradient in zip(variables, inner, strict=True):
            if id(variable) not in own and gradient is not None:
                variable.assign(np.array(variable) - 1.0 * numbers(gradient).astype("float32"))
        found = value(engine.forward(model, batch(), step).logs["held_out"])
        for variable, old in zip(variables, start, strict=True):
            variable.assign(old)
        return found

    rng, start = np.random.RandomState(0), [np.array(w) for w in weights]
    frozen = {id(w): np.array(w) for w in model.non_trainable_variables}
    for directions in (meta, [rng.normal(size=g.shape) for g in meta]):
        length = np.sqrt(sum((d**2).sum() for d in directions))
        directions = [d / length for d in directions]
        values = []
        for sign in (1.0, -1.0):
            for weight, old, direction in zip(weights, start, directions, strict=True):
                weight.assign(old + sign * 0.1 * direction.astype("float32"))
            values.append(held_out_loss())
            for weight, old in zip(weights, start, strict=True):
                weight.assign(old)
            for weight in model.non_trainable_variables:
                weight.assign(frozen[id(weight)])
        slope = (values[0] - values[1]) / 0.2
        exact = sum((g * d).sum() for g, d in zip(meta, directions, strict=True))
        assert slope == pytest.approx(exact, rel=0.02, abs=1e-5)


def test_the_student_has_the_gradient_of_its_own_loss():
    model = model_of()
    own = {id(weight) for layer in (model.ratio_hidden, model.ratio_output) for weight in layer.weights}
    _, found = model.gradients(batch(), Step.at(8))
    _, plain = model.loss_and_gradients(batch(), Step.at(8))
    for variable, mine, theirs in zip(model.trainable_variables, found, plain, strict=True):
        if id(variable) not in own:
            np.testing.assert_allclose(numbers(mine), numbers(theirs), rtol=1e-4, atol=1e-6)


def test_class_means_follow_the_teacher():
    model = model_of(momentum=0.5)
    z = {"teacher": keras.ops.convert_to_tensor(T), "y": keras.ops.convert_to_tensor(Y)}
    model.after_step(z, keras.ops.convert_to_tensor(True), Step.at(6))
    means, t = numbers(model.class_means.contents).reshape(4, 4), softmax(T)
    np.testing.assert_allclose(means[3], 0.5 * 0.25 + 0.5 * t[2], rtol=1e-4)
    np.testing.assert_allclose(means.sum(axis=1), 1.0, rtol=1e-5)
    before = means.copy()
    model.after_step({**z, "y": keras.ops.full((6,), -1, dtype="int32")}, keras.ops.convert_to_tensor(True), Step.at(6))
    np.testing.assert_allclose(numbers(model.class_means.contents).reshape(4, 4), before, rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"held_out": 0.0}, {"held_out": 1.0}, {"virtual_rate": 0.0}, {"hidden": 0}, {"momentum": 2.0}, {"temperature": 0}],
)
def test_refuses(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        model_of(**options)
