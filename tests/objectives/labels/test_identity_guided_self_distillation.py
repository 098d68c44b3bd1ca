"""What IdentityGuidedSelfDistillation computes: DINO, and pairs of images of one identity."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.metric.test_identity_distillation_loss import IDENTITIES, reference
from tests.objectives.reference import draws, value

NAME = "IdentityGuidedSelfDistillation"


def outcome(model, identities):
    z = {"z1": draws(6, 12), **{f"s{n}": draws(6, 10, seed=n) for n in (1, 2)}}
    z |= {f"t{n}": draws(6, 10, seed=5 + n) for n in (1, 2)}
    if identities is not None:
        z["y"] = identities
    return model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(6))


def test_equals_the_reference():
    model = tiny_model(NAME, warmup_steps=0, student_temperature=0.5, teacher_temperature=0.3)
    model.centering.update(draws(6, 10, seed=9))
    center = np.asarray(keras.ops.convert_to_numpy(model.centering.center)).astype("float64")
    students, teachers = ([draws(6, 10, seed=k).astype("float64") for k in kind] for kind in ((1, 2), (6, 7)))
    expected = reference(students, teachers, IDENTITIES, 0.5, 0.3, center)
    assert value(outcome(model, IDENTITIES)[0]) == pytest.approx(expected, rel=1e-5)


def test_one_image_of_each_identity_is_dino():
    options = {"projector": (24, 12), "out_dim": 10, "freeze_steps": 0}
    dino = keras_ssl.DINO(tiny_encoder(), **options)
    model = tiny_model(NAME, warmup_steps=0)
    expected, logs = outcome(dino, None)
    for identities in (np.arange(6, dtype="int32"), np.full(6, -1, "int32")):
        loss, mine = outcome(model, identities)
        assert value(loss) == pytest.approx(value(expected), rel=1e-6)
        assert value(mine["teacher_entropy"]) == pytest.approx(value(logs["teacher_entropy"]), rel=1e-6)
    assert model.compares_samples and not dino.compares_samples


@pytest.mark.parametrize(
    ("options", "message"), [({"out_dim": 0}, "count=0"), ({"student_temperature": 0}, "student_temperature=0")]
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        tiny_model(NAME, **options)
