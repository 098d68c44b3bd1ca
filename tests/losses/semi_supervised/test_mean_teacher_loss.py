"""The squared difference of two predictions, against loops in float64."""

import keras
import numpy as np

from keras_ssl.losses import mean_teacher_loss
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws


def soft(row):
    e = np.exp(row - row.max())
    return e / e.sum()


def slow(student, teacher):
    pairs = zip(student.astype("float64"), teacher.astype("float64"), strict=True)
    return [np.mean([(a - b) ** 2 for a, b in zip(soft(s), soft(t), strict=True)]) for s, t in pairs]


def test_equals_the_reference():
    student, teacher = draws(5, 4), draws(5, 4, seed=1)
    np.testing.assert_allclose(mean_teacher_loss(student, teacher), slow(student, teacher), rtol=1e-5)


def test_equal_logits_give_zero_and_the_teacher_gets_no_gradient():
    student, teacher = draws(5, 4), draws(5, 4, seed=1)
    np.testing.assert_array_equal(np.asarray(mean_teacher_loss(student, student)), 0.0)
    _, (mine, theirs) = differentiate(lambda s, t: keras.ops.sum(mean_teacher_loss(s, t)), student, teacher)
    assert np.any(mine) and not np.any(theirs)
