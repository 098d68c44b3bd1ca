"""What SoftCon computes: MoCo and the soft loss of label vectors or classes."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import info_nce_loss, soft_similarity_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.metric.test_soft_similarity_loss import LABELS, reference
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY


def outcome(model, labels):
    z = {"q1": draws(5, 12), "k2": unit(draws(5, 12, seed=1)), "labels" if model.classes is None else "y": labels}
    return model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(5))


def test_equals_moco_plus_the_reference():
    model = tiny_model("SoftCon", classes=None, weight=0.7, soft_temperature=0.5)
    loss, logs = outcome(model, LABELS)
    q, k = draws(5, 12), unit(draws(5, 12, seed=1))
    contrast = float(info_nce_loss(q, k, 0.2, model.queue.contents))
    soft = reference(q.astype("float64"), k.astype("float64"), LABELS, 0.5)
    assert value(loss) == pytest.approx(contrast + 0.7 * soft, rel=1e-5)
    assert value(logs["contrast"]) == pytest.approx(contrast, rel=1e-5)
    assert value(logs["soft"]) == pytest.approx(soft, rel=1e-4)


def test_weight_0_is_moco():
    model, moco = tiny_model("SoftCon", classes=None, weight=0.0), tiny_model_of_moco()
    z = {"q1": draws(5, 12), "k2": unit(draws(5, 12, seed=1))}
    expected = moco.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(5))[0]
    assert value(outcome(model, LABELS)[0]) == value(expected)


def tiny_model_of_moco():
    return keras_ssl.MoCo(tiny_encoder(), projector=(24, 12), queue_size=32, momentum=0.9)


def test_classes_are_one_hot_vectors_and_the_unlabeled_stand_alone():
    classes = np.array([0, 2, 0, -1, -1], "int32")
    vectors = np.concatenate([np.eye(3), np.zeros((1, 3))])[[0, 2, 0, 3, 3]].astype("float32")
    found = value(outcome(tiny_model("SoftCon", classes=3), classes)[1]["soft"])
    q, k = draws(5, 12), unit(draws(5, 12, seed=1))
    assert found == pytest.approx(float(soft_similarity_loss(q, k, vectors)), rel=1e-6)


def test_trains_on_label_vectors():
    model = tiny_model("SoftCon", classes=None)
    model.compile("sgd", run_eagerly=EAGERLY)
    x = np.random.RandomState(0).randint(0, 256, (12, 16, 16, 3)).astype("uint8")
    y = (np.random.RandomState(1).uniform(size=(12, 5)) > 0.5).astype("float32")
    history = model.fit({"x": x, "labels": y}, batch_size=12, verbose=0).history
    assert np.isfinite(history["loss"][0]) and history["soft"][0] > 0
    with pytest.raises(ValueError, match=r"Received: labels=2.0"):
        model.fit({"x": x, "labels": 2 * y}, batch_size=12, verbose=0)
    with pytest.raises(ValueError, match=r"The field `labels` must have the shape"):
        model.fit({"x": x, "labels": y[:, 0]}, batch_size=12, verbose=0)


def test_labels_that_are_no_class_are_named():
    model = tiny_model("SoftCon", classes=3)
    model.compile("sgd")
    with pytest.raises(ValueError, match="Received: y=3"):
        model.fit(np.zeros((4, 16, 16, 3), "uint8"), np.array([0, 1, 3, -1]), batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1}, "weight=-1"),
        ({"weight": np.nan}, "weight=nan"),
        ({"soft_temperature": 0}, "soft_temperature=0"),
        ({"classes": 1}, "classes=1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.SoftCon(tiny_encoder(), **{"queue_size": 32, **options})
