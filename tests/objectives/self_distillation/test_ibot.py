"""What iBOT and DINOv2 compute: slow references, DINO as a limit, centers."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.dino_loss import dino_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_koleo_loss import reference as slow_koleo
from tests.losses.test_msn_loss import slow_sinkhorn, soft
from tests.objectives.reference import value
from tests.objectives.tiny import cheap_crops

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, **options):
    return model.embed({"x": IMAGES}, Step.at(6, **options))


def shuffled(z):
    """Outputs of an untrained network are all alike: random ones in their places."""
    rng = np.random.default_rng(0)
    outputs = ("s", "t", "patch_student", "patch_teacher", "pooled")
    names = [name for name in z if name.rstrip("1234") in outputs]
    drawn = {name: rng.uniform(-1, 1, tuple(z[name].shape)).astype("float32") for name in names}
    return {**z, **{name: keras.ops.convert_to_tensor(part) for name, part in drawn.items()}}


def parts(z, name, count):
    return [numbers(z[f"{name}{number}"]) for number in range(1, count + 1)]


def slow(model, z, views):
    """Crop by crop, sample by sample, patch by patch."""
    iterations, t, s = model.sinkhorn_iterations, model.teacher_temperature, model.student_temperature
    center, patch_center = numbers(model.centering.center), numbers(model.patch_centering.center)
    students, teachers = parts(z, "s", views), parts(z, "t", 2)
    if iterations:
        targets = [slow_sinkhorn(np.exp(crop / t), iterations) for crop in teachers]
    else:
        targets = [np.array([soft((row - center) / t) for row in crop]) for crop in teachers]
    whole = []
    for number, target in enumerate(targets):
        for other, student in enumerate(students):
            if number != other:
                whole += [-(p * np.log(soft(row / s))).sum() for p, row in zip(target, student, strict=True)]
    chosen, outputs, wanted = (
        np.concatenate(parts(z, name, 2)) for name in ("chosen", "patch_student", "patch_teacher")
    )
    places = [(i, m) for i in range(len(chosen)) for m in range(chosen.shape[1]) if chosen[i, m]]
    if iterations:
        rows = slow_sinkhorn(np.exp(np.array([wanted[i, m] for i, m in places]) / t), iterations)
    else:
        rows = np.array([soft((wanted[i, m] - patch_center) / t) for i, m in places])
    rows = dict(zip(places, rows, strict=True))
    patch = np.zeros(len(chosen))
    for i, m in places:
        patch[i] -= (rows[i, m] * np.log(soft(outputs[i, m] / s))).sum() / chosen[i].sum()
    return np.mean(whole), patch.mean()


@pytest.mark.parametrize("options", [{}, {"sinkhorn_iterations": 3}, {"patch_head": True, "mask_shape": "random"}])
def test_equals_the_reference(options):
    model = tiny_model(
        "IBOT", views=cheap_crops(), class_weight=0.7, patch_weight=0.4, teacher_temperature=0.3, **options
    )
    for name in ("centering", "patch_centering"):
        getattr(model, name)._center.assign(np.linspace(-0.1, 0.1, 10))
    z = shuffled(embedded(model))
    found = engine.reduce(model, z, Step.at(6))
    whole, patch = slow(model, z, 4)
    assert value(found.logs["whole"]) == pytest.approx(whole, rel=1e-4)
    assert value(found.logs["patch"]) == pytest.approx(patch, rel=1e-4)
    assert value(found.loss) == pytest.approx(0.7 * whole + 0.4 * patch, rel=1e-4)


def test_dinov2_adds_koleo_of_each_crop():
    model = tiny_model("DINOv2", koleo_weight=0.3, teacher_temperature=0.3, nested=(1.0,), regularizers=())
    z = shuffled(embedded(model))
    found = engine.reduce(model, z, Step.at(6))
    koleo = sum(slow_koleo(crop) for crop in parts(z, "pooled", 2))
    assert value(found.logs["koleo"]) == pytest.approx(koleo, rel=1e-3)
    assert value(found.loss) == pytest.approx(sum(slow(model, z, 2)) + 0.3 * koleo, rel=1e-3)


def test_dinov2_is_ibot_with_other_defaults():
    ours = keras_ssl.DINOv2(tiny_vit(), projector=(8,), out_dim=6).get_config()
    theirs = keras_ssl.IBOT(tiny_vit(), projector=(8,), out_dim=6).get_config()
    assert {name for name in ours if ours[name] != theirs[name]} - {"name", "encoder", "views", "preprocessing"} == {
        "patch_head",
        "koleo_weight",
        "sinkhorn_iterations",
        "momentum",
    }


def test_without_masks_and_patches_it_is_dino():
    model = tiny_model("IBOT", mask_probability=0.0)
    z = embedded(model)
    found = engine.reduce(model, z, Step.at(6))
    students, teachers = ([z[f"{name}{k}"] for k in (1, 2)] for name in "st")
    assert value(found.logs["patch"]) == 0.0 and value(found.logs["masked"]) == 0.0
    assert value(found.loss) == pytest.approx(float(dino_loss(students, teachers, 0.1, 0.07)), rel=1e-5)


def test_unmasked_crops_of_student_and_teacher_agree_at_the_start():
    model = tiny_model("IBOT", mask_probability=0.0)
    z = embedded(model)
    for number in (1, 2):
        np.testing.assert_allclose(numbers(z[f"s{number}"]), numbers(z[f"t{number}"]), atol=1e-4)
        np.testing.assert_allclose(
            numbers(z[f"patch_student{number}"]), numbers(z[f"patch_teacher{number}"]), atol=1e-4
        )


def test_masked_patches_are_not_seen():
    """Outputs of the student at hidden places differ from the teacher's; the share that is logged is that of them."""
    model = tiny_model("IBOT", mask_probability=1.0, mask_ratio=(0.5, 0.5))
    z = embedded(model)
    assert numbers(z["chosen1"]).sum() == 6 * 8
    assert value(engine.reduce(model, z, Step.at(6)).logs["masked"]) == pytest.approx(0.5)
    assert np.abs(numbers(z["patch_student1"]) - numbers(z["patch_teacher1"])).max() > 1e-3


def test_centers_follow_the_teacher_s_outputs():
    model = tiny_model("IBOT", center_momentum=0.0)
    z = embedded(model)
    model.after_step(z, keras.ops.convert_to_tensor(True), Step.at(6))
    np.testing.assert_allclose(
        numbers(model.centering.center), np.concatenate(parts(z, "t", 2)).mean(axis=0), atol=1e-6
    )
    expected = np.concatenate(parts(z, "patch_mean", 2)).mean(axis=0)
    np.testing.assert_allclose(numbers(model.patch_centering.center), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": (0.5, 0.2)}, "ratio="),
        ({"mask_probability": 2.0}, "probability=2.0"),
        ({"mask_shape": "ring"}, "shape='ring'"),
        ({"patch_weight": -1.0}, "patch_weight=-1.0"),
        ({"class_weight": float("nan")}, "class_weight=nan"),
        ({"koleo_weight": float("inf")}, "koleo_weight=inf"),
        ({"teacher_temperature": 0.0}, "teacher_temperature=0.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.IBOT(tiny_vit(), projector=(4,), out_dim=5, **options)


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for DINOv2"):
        keras_ssl.DINOv2(tiny_encoder())
