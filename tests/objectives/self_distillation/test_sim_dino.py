"""What SimDINO computes: a slow reference, its teacher, bad input."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.test_simdino_loss import reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import cheap_crops


@pytest.mark.parametrize(("weight", "with_teacher"), [(1.0, True), (0.3, False)])
def test_equals_the_reference(weight, with_teacher):
    students, teachers = [draws(5, 12, seed=k) for k in range(3)], [draws(5, 12, seed=9 + k) for k in range(2)]
    model = tiny_model("SimDINO", agreement_weight=weight, expansion_with_teacher=with_teacher, epsilon=0.2)
    z = {f"z{k}": view for k, view in enumerate(students, 1)} | {f"t{k}": view for k, view in enumerate(teachers, 1)}
    found = engine.reduce(model, {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}, Step.at(5))
    wide = [[view.astype("float64") for view in part] for part in (students, teachers)]
    agreement, expansion = reference(*wide, 0.2, with_teacher)
    assert value(found.loss) == pytest.approx(-weight * agreement - expansion, rel=1e-5)
    assert value(found.logs["agreement"]) == pytest.approx(agreement, rel=1e-4)


def test_the_teacher_sees_the_global_crops_alone():
    model = tiny_model("SimDINO", views=cheap_crops())
    made = model.embed({"x": np.zeros((4, 16, 16, 3), "uint8")}, Step.at(4))
    assert list(made) == ["z1", "z2", "z3", "z4", "t1", "t2"]
    np.testing.assert_allclose(made["z1"], made["t1"], atol=1e-6)  # a copy of the student, at the start


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "epsilon=0.0"),
        ({"agreement_weight": -1.0}, "agreement_weight=-1.0"),
        ({"global_crops": 0}, "global_crops=0"),
        ({"momentum": 1.5}, "momentum=1.5"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.SimDINO(tiny_encoder(), projector=(4,), **options)
