"""Distillation from the vote of snapshots: reference, limits, which snapshots are kept."""

import keras
import numpy as np
import pytest

from keras_ssl import losses
from keras_ssl.layers import SnapshotRing
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
LABELS = np.array([0, 1, 2, 3, -1, 1, -1, 0], "int32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def softmax(logits):
    logits = np.asarray(logits, "float64")
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def batch():
    return {"x": keras.ops.convert_to_tensor(IMAGES), "y": keras.ops.convert_to_tensor(LABELS)}


def test_the_vote_and_its_divergence_equal_the_reference():
    p, student = softmax(draws(3, 5, 4)), draws(5, 4, seed=1)
    counted = np.array([1.0, 0.0, 1.0])
    voted = numbers(losses.vote(p.astype("float32"), counted))
    expected = (p[0] + p[2]) / 2
    np.testing.assert_allclose(voted, expected, rtol=1e-5)
    np.testing.assert_allclose(voted.sum(axis=1), 1.0, rtol=1e-5)
    q = softmax(student)
    slow = [sum(a * np.log(a / b) for a, b in zip(t, s, strict=True)) for t, s in zip(expected, q, strict=True)]
    np.testing.assert_allclose(numbers(losses.voting_kl_loss(student, voted.astype("float32"))), slow, rtol=1e-4)


def test_identical_teachers_are_one():
    p = softmax(draws(1, 5, 4)).astype("float32")
    np.testing.assert_allclose(numbers(losses.vote(np.repeat(p, 4, axis=0))), numbers(losses.vote(p)), rtol=1e-6)


def test_a_vote_of_oneself_has_no_gradient_and_none_no_loss():
    student = draws(5, 4)
    voted = softmax(student)

    def loss(logits, vote):
        return keras.ops.sum(losses.voting_kl_loss(logits, vote))

    found, (of_student, of_vote) = differentiate(loss, student, voted)
    assert found == pytest.approx(0.0, abs=1e-6) and not np.any(of_vote)
    np.testing.assert_allclose(of_student, 0.0, atol=1e-6)
    found, (of_student, _) = differentiate(loss, student, np.zeros((5, 4)))
    assert found == 0.0 and not np.any(of_student)


def test_the_ring_keeps_the_last_snapshots_only():
    ring = SnapshotRing(3, [(2,), ()])
    assert numbers(ring.held).tolist() == [0, 0, 0]
    for number in range(1, 6):
        ring.take([np.full(2, number, "float32"), np.float32(10 * number)])
        ring.take([np.full(2, -1.0, "float32"), np.float32(-1.0)], taken=False)
        assert numbers(ring.held).sum() == min(number, 3)
    kept = [ring.values(place) for place in range(3)]
    assert sorted(value(one) for _, one in kept) == [30.0, 40.0, 50.0]
    assert all(value(vector[0]) * 10 == value(one) for vector, one in kept)


def test_one_snapshot_of_the_weights_as_they_are_costs_nothing():
    model = tiny_model("VotingTeachers", teachers=1)
    step = Step.at(8, training=False)
    assert value(engine.forward(model, batch(), step).logs["voted"]) == 0.0  # there is none yet
    model.after_step({}, keras.ops.convert_to_tensor(True), Step.at(8))
    found = engine.forward(model, batch(), step)
    assert value(found.logs["voted"]) == pytest.approx(0.0, abs=1e-6)
    assert value(found.loss) == pytest.approx(value(found.logs["supervised"]), abs=1e-6)
    model.classifier.set_weights([1.5 * weight + 0.1 for weight in model.classifier.get_weights()])
    assert value(engine.forward(model, batch(), step).logs["voted"]) > 1e-5


def test_snapshots_are_the_model_as_it_was():
    model, step = tiny_model("VotingTeachers", teachers=2), Step.at(8, training=False)
    expected = []
    for scale in (1.0, 2.0, -1.0):
        model.classifier.set_weights([scale * weight + 0.1 for weight in model.classifier.get_weights()])
        made = engine.embed(model, batch(), step)
        expected.append(softmax(numbers(made["logits"])))
        model.after_step({}, keras.ops.convert_to_tensor(True), Step.at(8))
    voted = numbers(engine.embed(model, batch(), step)["voted"])
    np.testing.assert_allclose(voted, (expected[1] + expected[2]) / 2, rtol=1e-4, atol=1e-6)


def test_snapshots_come_every_interval_and_weight_zero_is_plain_training():
    losses_of, taken = [], []
    for options in ({"vote_weight": 0.0}, {"vote_weight": 5.0}, {"vote_weight": 5.0, "interval": 100}):
        keras.utils.set_random_seed(0)
        model = tiny_model("VotingTeachers", **{"interval": 2, **options})
        model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        history = model.fit(IMAGES, np.maximum(LABELS, 0), batch_size=4, epochs=3, shuffle=False, verbose=0).history
        losses_of.append(history["supervised"])
        taken.append(int(numbers(model.ring._taken)))
    assert taken == [3, 3, 0]
    np.testing.assert_allclose(losses_of[0], losses_of[2], rtol=1e-5)
    assert abs(losses_of[0][-1] - losses_of[1][-1]) > 1e-5


@pytest.mark.parametrize("options", [{"teachers": 0}, {"interval": 0}, {"vote_weight": -1.0}])
def test_refuses(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        tiny_model("VotingTeachers", **options)


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"Received: probabilities.shape=\(5, 4\)"):
        losses.vote(draws(5, 4))
    with pytest.raises(ValueError, match=r"Received: shapes \(5, 4\) and \(5, 3\)"):
        losses.voting_kl_loss(draws(5, 4), draws(5, 3))
    with pytest.raises(ValueError, match="Received: shapes=\\[\\]"):
        SnapshotRing(2, [])
