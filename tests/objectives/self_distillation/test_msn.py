"""What MSN computes: a slow reference, which views are masked, bad input."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_msn_loss import drawn, reference
from tests.objectives.reference import value
from tests.objectives.tiny import cheap_crops

IMAGES = np.random.RandomState(0).randint(0, 256, (4, 16, 16, 3)).astype("uint8")


@pytest.mark.parametrize(("iterations", "weight"), [(0, 1.0), (3, 0.5)])
def test_equals_the_reference(iterations, weight):
    anchors, (target,) = drawn(2, k=10), drawn(1, k=10, seed=1)
    model = tiny_model("MSN", sinkhorn_iterations=iterations, entropy_weight=weight)
    z = {"anchor1": anchors[0], "anchor2": anchors[1], "target": target}
    z = {name: keras.ops.convert_to_tensor(part.astype("float32")) for name, part in z.items()}
    found = engine.reduce(model, {"z1": z["target"], **z}, Step.at(5))
    cross_entropy, entropy = reference(anchors, target, iterations=iterations)
    assert value(found.loss) == pytest.approx(cross_entropy - weight * entropy, rel=1e-4)


def test_the_first_view_is_the_target_and_small_crops_are_seen_whole():
    model = tiny_model("MSN", views=cheap_crops())
    made = model.embed({"x": IMAGES}, Step.at(4))
    assert list(made) == ["z1", "target", "anchor1", "anchor2", "anchor3"]
    whole = tiny_model("MSN", views=cheap_crops(), masked_views=0)
    whole.set_weights(model.get_weights())
    other = whole.embed({"x": IMAGES}, Step.at(4))
    assert np.abs(np.asarray(made["anchor1"]) - np.asarray(other["anchor1"])).max() > 1e-4
    np.testing.assert_allclose(made["target"], other["target"], atol=1e-6)


def test_without_a_mask_equal_views_of_student_and_teacher_agree():
    model = tiny_model("MSN", mask_ratio=0.0)
    model.explicit_views = False
    made = model.embed({"x": (IMAGES, IMAGES)}, Step.at(4))
    np.testing.assert_allclose(made["anchor1"], made["target"], atol=1e-4)


def test_the_teacher_has_no_prototypes_of_its_own():
    model = tiny_model("MSN")
    assert len(model.teacher.modules) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": 1.0}, "ratio=1.0"),
        ({"prototypes": 0}, "count=0"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"sharpening": float("inf")}, "sharpening=inf"),
        ({"entropy_weight": -1.0}, "entropy_weight=-1.0"),
        ({"masked_views": -1}, "masked_views=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.MSN(tiny_vit(), projector=(4,), **options)


def test_needs_tokens():
    with pytest.raises(ValueError, match="must be a TokenEncoder for MSN"):
        keras_ssl.MSN(tiny_encoder())
