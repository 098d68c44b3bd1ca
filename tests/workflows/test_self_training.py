"""Self-training in stages: what each uses, and the limits in which it is plain training."""

import keras
import numpy as np
import pytest

from keras_ssl.workflows import self_training
from keras_ssl.workflows.self_training import _pseudo_labels, _train

RNG = np.random.default_rng(0)
CENTERS = RNG.normal(size=(3, 4)).astype("float32") * 2
Y = np.arange(12) % 3
X = (CENTERS[Y] + 0.3 * RNG.normal(size=(12, 4))).astype("float32")
MORE_Y = np.arange(60) % 3
MORE = (CENTERS[MORE_Y] + 0.8 * RNG.normal(size=(60, 4))).astype("float32")
FAST = {"updates": 15, "pseudo_updates": 20, "learning_rate": 0.05, "batch_size": 8}


def network():
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3)]
    return keras.Sequential(layers)


def fine_tuned(model, x=X, y=Y, updates=15, seed=0):
    _train(model, x, y.astype("int32"), updates, 0.05, 8, seed)
    return model


def same(model, other):
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_without_unlabeled_samples_it_is_fine_tuning():
    found = self_training(network(), X, Y, MORE[:0], **FAST)
    same(found.model, fine_tuned(network()))
    assert found.pseudo_labels.shape == found.confidence.shape == (0,)


def test_threshold_1_uses_no_pseudo_label():
    found = self_training(network(), X, Y, MORE, threshold=1.0, teacher=lambda x: 1e3 * np.eye(3)[MORE_Y], **FAST)
    assert (found.pseudo_labels == -1).all() and (found.confidence == 1).all()
    same(found.model, fine_tuned(network()))


def test_a_perfect_teacher_gives_supervised_training():
    found = self_training(network(), X, Y, MORE, teacher=lambda x: np.eye(3)[MORE_Y], **FAST)
    np.testing.assert_array_equal(found.pseudo_labels, MORE_Y)
    same(found.model, fine_tuned(fine_tuned(network(), MORE, MORE_Y, 20, seed=1)))


def test_the_teacher_is_the_fine_tuned_model_and_stands_still():
    given = network()
    found = self_training(given, X, Y, MORE, **FAST)
    assert found.model is given
    expected = fine_tuned(network()).predict(MORE, verbose=0)
    np.testing.assert_allclose(found.teacher(MORE), expected, atol=1e-5)
    np.testing.assert_array_equal(found.pseudo_labels, expected.argmax(axis=1))
    odds = np.exp(expected.astype("float64"))
    np.testing.assert_allclose(found.confidence, odds.max(axis=1) / odds.sum(axis=1), rtol=1e-4)
    # And the student begins as the model was given.
    same(given, fine_tuned(fine_tuned(network(), MORE, found.pseudo_labels, 20, seed=1)))


def test_goes_on_from_the_teacher_without_restart():
    found = self_training(network(), X, Y, MORE, restart=False, **FAST)
    first = fine_tuned(network())
    same(found.model, fine_tuned(fine_tuned(first, MORE, found.pseudo_labels, 20, seed=1)))


def test_confidence_must_be_above_the_threshold():
    logits = np.log([[0.5, 0.3, 0.2], [0.8, 0.1, 0.1], [0.2, 0.2, 0.6]])
    labels, confidence = _pseudo_labels(lambda x: logits, np.zeros((3, 1)), 3, 0.55)
    assert labels.tolist() == [-1, 0, 2]
    np.testing.assert_allclose(confidence, [0.5, 0.8, 0.6], rtol=1e-6)
    assert (_pseudo_labels(lambda x: logits, np.zeros((3, 1)), 3, 0.0)[0] >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"learning_rate": 0.0}, "learning_rate=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"updates": -1}, "updates=-1"),
        ({"labels": Y[:5]}, r"labels.shape=\(5,\) for 12 images"),
        ({"labels": Y + 1}, "labels="),
        ({"labels": Y / 2}, "labels="),
        ({"unlabeled": MORE[:, :2]}, r"unlabeled.shape=\(60, 2\)"),
        ({"teacher": lambda x: np.zeros((len(x), 2))}, r"shape \(60, 2\)"),
        ({"model": "resnet"}, "model='resnet'"),
    ],
)
def test_refuses(changes, message):
    given = {"model": network(), "images": X, "labels": Y, "unlabeled": MORE, **FAST, **changes}
    with pytest.raises(ValueError, match=f"Received: {message}"):
        self_training(**given)
