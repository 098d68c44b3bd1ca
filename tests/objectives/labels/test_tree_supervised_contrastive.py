"""What TreeSupervisedContrastive computes: weights from the table of trees, and its limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.metric.test_soft_sup_con_loss import reference
from tests.objectives.reference import draws, value

LABELS = np.array([0, 1, -1, 3, 1, -1], "int32")


def loss_of(model, labels=LABELS):
    z = {"z1": draws(6, 12), "z2": draws(6, 12, seed=1), "y": labels}
    return value(model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(6))[0])


def test_equals_the_reference():
    model = tiny_model("TreeSupervisedContrastive", temperature=0.4)
    weights = np.eye(6)
    for i, j in np.ndindex(6, 6):
        if i != j and LABELS[i] >= 0 and LABELS[j] >= 0:
            weights[i, j] = model.similarity[LABELS[i], LABELS[j]]
    expected = reference(draws(6, 12).astype("float64"), draws(6, 12, seed=1).astype("float64"), weights, 0.4)
    assert loss_of(model) == pytest.approx(expected, rel=1e-5) and weights.sum() > 8


def test_classes_are_sup_con_and_no_labels_are_simclr():
    model = tiny_model("TreeSupervisedContrastive", similarity=np.eye(4))
    assert loss_of(model) == pytest.approx(loss_of(tiny_model_of(keras_ssl.SupCon)), rel=1e-6)
    none = np.full(6, -1, "int32")
    assert loss_of(model, none) == pytest.approx(loss_of(tiny_model_of(keras_ssl.SimCLR), none), rel=1e-6)


def tiny_model_of(objective):
    return objective(tiny_encoder(), projector=(24, 12), temperature=0.1)


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        (np.ones(3), r"similarity.shape=\(3,\)"),
        (np.ones((2, 3)), r"similarity.shape=\(2, 3\)"),
        ([[1.0, 0.5], [0.4, 1.0]], "symmetric"),
        ([[1.0, 1.5], [1.5, 1.0]], "from 0 to 1"),
        ([[1.0, np.nan], [np.nan, 1.0]], "Received: similarity="),
        ([[0.5, 0.0], [0.0, 1.0]], "Received: similarity with the diagonal"),
    ],
)
def test_refuses(similarity, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.TreeSupervisedContrastive(tiny_encoder(), similarity)


@pytest.mark.parametrize("wrong", [4, -2])
def test_labels_that_are_no_tree_are_named(wrong):
    model = tiny_model("TreeSupervisedContrastive")
    model.compile("sgd")
    with pytest.raises(ValueError, match=f"Received: y={wrong} in sample 1"):
        model.fit(np.zeros((4, 16, 16, 3), "uint8"), np.array([0, wrong, 1, -1]), batch_size=4, verbose=0)
