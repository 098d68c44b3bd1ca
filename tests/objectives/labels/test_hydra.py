"""What Hydra computes: all pairs of classes, their gates, and pairs drawn by step."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.metric.test_gated_pair_loss import reference
from tests.objectives.reference import draws, value

LABELS = np.array([0, 1, 2, 3, 1, -1], "int32")


def outcome(model, step=0):
    z = {"z1": draws(6, 12), "z2": draws(6, 12, seed=1), "y": LABELS}
    loss, logs = model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(6, index=step))
    return value(loss), value(logs["gate"])


def test_equals_the_reference_over_all_pairs():
    model = tiny_model("Hydra", temperature=0.5)
    gates = np.asarray(keras.ops.convert_to_numpy(model.gate(model.all_pairs)))
    z = np.concatenate([draws(6, 12), draws(6, 12, seed=1)])
    loss, gate = outcome(model)
    assert loss == pytest.approx(reference(z, [*LABELS, *LABELS], model.all_pairs, gates, 0.5), rel=1e-4)
    assert gate == pytest.approx(gates.mean(), rel=1e-5)


def test_there_are_half_a_million_pairs_of_a_thousand_classes():
    assert len(tiny_model("Hydra").all_pairs) == 10
    assert sorted(map(tuple, tiny_model("Hydra", classes=3).all_pairs)) == [
        (0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2),
    ]  # fmt: skip
    assert len(tiny_model("Hydra", classes=1000, pairs=4).all_pairs) == 500_500


def test_drawn_pairs_change_with_the_step():
    model = tiny_model("Hydra", pairs=3)
    losses = {round(outcome(model, step)[0], 6) for step in range(6)}
    assert len(losses) > 2 and outcome(model, 1) == outcome(model, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "classes=1"),
        ({"pairs": 0}, "pairs=0"),
        ({"gate_width": 0}, "width=0"),
        ({"temperature": -1}, "temperature=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.Hydra(tiny_encoder(), **{"classes": 3, **options})


def test_labels_that_are_no_class_are_named():
    model = tiny_model("Hydra")
    model.compile("sgd")
    with pytest.raises(ValueError, match="Received: y=4 in sample 2"):
        model.fit(np.zeros((4, 16, 16, 3), "uint8"), np.array([0, 1, 4, -1]), batch_size=4, verbose=0)
