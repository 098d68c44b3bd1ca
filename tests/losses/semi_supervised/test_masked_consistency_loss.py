"""The loss of masked image consistency: loops in float64, of labels and of pixels."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import masked_consistency_loss
from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws


def soft(row):
    e = np.exp(row.astype("float64") - row.max())
    return e / e.sum()


def test_weighted_by_the_confidence():
    student, teacher = draws(6, 3), 2 * draws(6, 3, seed=1)
    expected = [-soft(t).max() * np.log(soft(s)[t.argmax()]) for s, t in zip(student, teacher, strict=True)]
    np.testing.assert_allclose(masked_consistency_loss(student, teacher), expected, rtol=1e-5)


def test_weighted_by_the_share_of_confident_samples():
    student, teacher = draws(6, 3), 2 * draws(6, 3, seed=1)
    share = np.mean([soft(t).max() > 0.8 for t in teacher])
    assert 0 < share < 1
    expected = [-share * np.log(soft(s)[t.argmax()]) for s, t in zip(student, teacher, strict=True)]
    np.testing.assert_allclose(masked_consistency_loss(student, teacher, 0.8), expected, rtol=1e-5)


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_of_pixels(threshold):
    student, teacher = draws(2, 3, 4, 5), 2 * draws(2, 3, 4, 5, seed=1)
    expected = []
    for s, t in zip(student.reshape(2, 12, 5), teacher.reshape(2, 12, 5), strict=True):
        confidence = np.array([soft(row).max() for row in t])
        q = confidence if threshold is None else np.full(12, np.mean(confidence > threshold))
        expected.append(np.mean([-w * np.log(soft(a)[b.argmax()]) for w, a, b in zip(q, s, t, strict=True)]))
    np.testing.assert_allclose(masked_consistency_loss(student, teacher, threshold), expected, rtol=1e-5)


def test_all_confident_is_plain_self_training_and_none_is_nothing():
    student, teacher = draws(6, 3), draws(6, 3, seed=1)
    plain = pseudo_label_loss(teacher, student, 0.0)[0]
    np.testing.assert_allclose(masked_consistency_loss(student, teacher, 0.0), plain, rtol=1e-6)
    assert not np.any(np.asarray(masked_consistency_loss(student, teacher, 1.0)))


def test_the_teacher_gets_no_gradient():
    _, (mine, theirs) = differentiate(
        lambda s, t: keras.ops.sum(masked_consistency_loss(s, t)), draws(4, 3), draws(4, 3, seed=1)
    )
    assert np.any(mine) and not np.any(theirs)


def test_refuses():
    with pytest.raises(ValueError, match="Received: threshold=-0.1"):
        masked_consistency_loss(draws(2, 3), draws(2, 3), -0.1)
