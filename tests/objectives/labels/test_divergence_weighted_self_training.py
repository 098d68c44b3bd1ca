"""What DivergenceWeightedSelfTraining computes: the reference, equal teachers, teachers that differ, two momenta."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from keras_ssl.training import Step
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.labels.semi import LABELS, STRONG, after, array, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws

NAME = "DivergenceWeightedSelfTraining"
FIRST, SECOND = 2 * draws(8, 3, seed=5), 2 * draws(8, 3, seed=6)
UNLABELED = np.flatnonzero(LABELS < 0)


def slow(sharpness, first=FIRST, second=SECOND):
    losses, weights = [], []
    for n in UNLABELED:
        p, q, s = soft(first[n]), soft(second[n]), soft(STRONG[n])
        divergence = sum(x * np.log(x / y) + y * np.log(y / x) for x, y in zip(p, q, strict=True))
        weights.append(np.exp(-sharpness * divergence))
        losses.append(-sum((x + y) / 2 * np.log(z) for x, y, z in zip(p, q, s, strict=True)))
    return np.array(losses), np.array(weights)


@pytest.mark.parametrize(("sharpness", "weight"), [(1.0, 1.0), (0.2, 2.0)])
def test_equals_the_reference(sharpness, weight):
    losses, weights = slow(sharpness)
    model = model_of(NAME, sharpness=sharpness, unlabeled_weight=weight)
    loss, logs = outcome(model, inputs(teacher=FIRST, second=SECOND))
    assert loss == pytest.approx(supervised() + weight * np.mean(weights * losses), rel=1e-5)
    assert logs["trust"] == pytest.approx(weights.mean(), rel=1e-5)


def test_equal_teachers_give_ordinary_consistency():
    losses, _ = slow(0.0, FIRST, FIRST)
    loss, logs = outcome(model_of(NAME, sharpness=9.0), inputs(teacher=FIRST, second=FIRST))
    assert loss == pytest.approx(supervised() + losses.mean(), rel=1e-5)
    assert logs["trust"] == 1.0


def test_weight_zero_is_supervised_training():
    loss, _ = outcome(model_of(NAME, unlabeled_weight=0.0), inputs(teacher=FIRST, second=SECOND))
    assert loss == pytest.approx(supervised())


def test_a_sample_about_which_teachers_differ_without_bound_gives_no_gradient():
    model = model_of(NAME)
    second = SECOND.copy()
    second[UNLABELED[0]] = -1e4 * FIRST[UNLABELED[0]]

    def loss(strong):
        terms = model.sample_terms(inputs(strong=strong, teacher=FIRST, second=second), Step.at(8))
        return keras.ops.sum(terms["unsupervised"].values * terms["unsupervised"].weights)

    _, (gradient,) = differentiate(loss, STRONG, dtype="float32")
    assert not gradient[UNLABELED[0]].any() and all(gradient[n].any() for n in UNLABELED[1:])
    assert not gradient[LABELS >= 0].any()


def test_teachers_follow_at_their_own_pace():
    model = model_of(NAME, momentum=0.75, second_momentum=0.25)
    start = array(model.classifier.kernel)
    model.classifier.kernel.assign(start + 1.0)
    z = inputs(teacher=FIRST, second=SECOND)
    after(model, z, updated=False)
    np.testing.assert_array_equal(array(model.second_teacher.modules[1].kernel), start)
    after(model, z)
    np.testing.assert_allclose(array(model.teacher.modules[1].kernel), start + 0.25, atol=1e-6)
    np.testing.assert_allclose(array(model.second_teacher.modules[1].kernel), start + 0.75, atol=1e-6)


def test_both_teachers_begin_as_the_student_is():
    model = model_of(NAME)
    model.classifier.kernel.assign(array(model.classifier.kernel) + 1.0)
    model.before_first_step()
    for teacher in (model.teacher, model.second_teacher):
        np.testing.assert_array_equal(array(teacher.modules[1].kernel), array(model.classifier.kernel))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sharpness": -1.0}, "sharpness=-1"),
        ({"second_momentum": 1.5}, "second_momentum=1.5"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.DivergenceWeightedSelfTraining(tiny_encoder(), classes=3, **options)
