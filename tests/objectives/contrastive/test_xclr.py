"""What X-CLR computes: a slow reference, SimCLR as a limit, labels."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.test_soft_contrastive_loss import reference
from tests.objectives.reference import draws, value

LABELS = np.array([0, 1, -1, 1, 2], "int32")
TABLE = [[1.0, 0.4, -0.2], [0.4, 1.0, 0.1], [-0.2, 0.1, 1.0]]


def outcome(model, z1, z2, labels=LABELS):
    z = {"z1": z1, "z2": z2, "y": labels}
    return engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(len(z1)))


@pytest.mark.parametrize("table", [None, TABLE])
def test_equals_the_reference(table):
    z1, z2 = draws(5, 12), draws(5, 12, seed=1)
    wanted = np.eye(3) if table is None else np.array(table)
    graph = np.array([[wanted[a, b] if min(a, b) >= 0 else 0.0 for b in LABELS] for a in LABELS])
    model = tiny_model("XCLR", class_similarity=table, temperature=0.2, target_temperature=0.3)
    expected = reference(z1.astype("float64"), z2.astype("float64"), graph, 0.2, 0.3)
    assert value(outcome(model, z1, z2).loss) == pytest.approx(expected, rel=1e-5)


def test_without_labels_and_with_a_sharp_target_it_is_simclr():
    z1, z2 = draws(5, 12), draws(5, 12, seed=1)
    found = outcome(tiny_model("XCLR", target_temperature=0.02), z1, z2, np.full(5, -1, "int32"))
    assert value(found.loss) == pytest.approx(float(nt_xent_loss(z1, z2, 0.1)), rel=1e-5)


def test_labels_that_are_no_class_are_named():
    model = tiny_model("XCLR", class_similarity=TABLE)
    model.compile("sgd")
    with pytest.raises(ValueError, match="`class_similarity`.*Received: y=3 in sample 1"):
        model.fit(np.zeros((4, 16, 16, 3), "uint8"), np.array([0, 3, 1, 1]), batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"target_temperature": float("nan")}, "target_temperature=nan"),
        ({"class_similarity": [[1.0, 0.0]]}, "class_similarity of shape"),
        ({"class_similarity": [[1.5]]}, "class_similarity=1.5"),
        ({"class_similarity": [[float("nan")]]}, "class_similarity=nan"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.XCLR(tiny_encoder(), projector=(4,), **options)
