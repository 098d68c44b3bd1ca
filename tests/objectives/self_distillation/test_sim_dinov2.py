"""What SimDINOv2 computes: a slow reference, SimDINO as a limit, what the student sees."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.simdino_loss import simdino_terms
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_masked_patch_agreement import slow
from tests.objectives.reference import value
from tests.objectives.tiny import cheap_crops

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, **options):
    return model.embed({"x": IMAGES}, Step.at(6, **options))


def patches(model, views):
    """Student's and teacher's embeddings of the masked patches of each global crop, crop by crop."""
    stream, found = Step.at(6).stream(), []
    teacher, project, *own = model.teacher.modules
    head = model.projector if model.patch_projector is None else model.patch_projector
    for view in views:
        places, chosen = model.mask.draw(stream, (4, 4))
        hidden = np.zeros((6, 16), "float32")
        for i, (row, use) in enumerate(zip(numbers(places).astype(int), numbers(chosen), strict=True)):
            hidden[i, row[use > 0]] = 1
        from keras_ssl.encoders.masked_tokens import masked_tokens

        seen = model.encoder.encode(masked_tokens(model.encoder, view, hidden, model.mask_token), training=True)
        whole = teacher.encode(teacher.tokens(view), training=True)
        pairs = []
        for tokens, project_each in ((seen, head), (whole, own[0] if own else project)):
            flat = project_each(keras.ops.reshape(tokens[:, 1:], (-1, 16)), training=True)
            pairs.append(numbers(flat).reshape(6, 16, -1))
        found.append(slow(*pairs, hidden))
    return found


@pytest.mark.parametrize("options", [{}, {"patch_head": False, "mask_shape": "random"}])
def test_the_loss_is_that_of_its_parts(options):
    model = tiny_model("SimDINOv2", views=cheap_crops(), agreement_weight=0.7, patch_weight=0.4, **options)
    z = embedded(model)
    found = engine.reduce(model, z, Step.at(6))
    views = model.make_views({"x": IMAGES}, Step.at(6))[:2]
    patch = np.mean(patches(model, views))
    students, teachers = [z[f"z{n}"] for n in (1, 2, 3, 4)], [z[f"t{n}"] for n in (1, 2)]
    agreement, expansion = (value(term) for term in simdino_terms(students, teachers, 0.05))
    assert value(found.logs["patch"]) == pytest.approx(patch, rel=1e-3)
    assert value(found.loss) == pytest.approx(-0.7 * agreement - expansion - 0.4 * patch, rel=1e-3)


def test_without_masks_and_patches_it_is_simdino():
    ours = tiny_model("SimDINOv2", mask_probability=0.0, patch_weight=0.0, epsilon=0.5)
    theirs = keras_ssl.SimDINO(ours.encoder, projector=(24, 12), views=ours.views, momentum=0.9)
    theirs.projector.set_weights(ours.projector.get_weights())
    theirs.teacher.copy_student(theirs.student)
    ours.teacher.copy_student(ours.student)
    mine, found = (engine.reduce(model, embedded(model), Step.at(6)) for model in (ours, theirs))
    assert value(mine.loss) == pytest.approx(value(found.loss), rel=1e-4)
    assert value(mine.logs["masked"]) == 0.0 and value(mine.logs["patch"]) == 0.0


def test_patches_of_equal_networks_that_see_all_of_a_crop_agree():
    """Limit: where the mask token is not used, student and teacher are one network at the start."""
    model = tiny_model("SimDINOv2", mask_probability=1.0)
    model.mask.draw, drawn = None, model.mask.draw
    model.mask.draw = lambda stream, grid: (drawn(stream, grid)[0], keras.ops.zeros((6, 8)))
    z = embedded(model)
    for number in (1, 2):
        np.testing.assert_allclose(numbers(z[f"z{number}"]), numbers(z[f"t{number}"]), atol=1e-4)


def test_no_gradient_reaches_the_teacher_which_has_all_heads():
    model = tiny_model("SimDINOv2")
    assert len(model.teacher.modules) == 3 and not any(weight.trainable for weight in model.teacher.weights)
    assert len(tiny_model("SimDINOv2", patch_head=False).teacher.modules) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_weight": -1.0}, "patch_weight=-1.0"),
        ({"mask_ratio": (0.5, 0.1)}, "ratio="),
        ({"mask_probability": 2.0}, "probability=2.0"),
        ({"mask_shape": "disk"}, "shape='disk'"),
        ({"epsilon": 0.0}, "epsilon=0.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.SimDINOv2(tiny_vit(), projector=(8,), **options)


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for SimDINOv2"):
        keras_ssl.SimDINOv2(tiny_encoder())


def test_one_head_needs_features_as_wide_as_tokens():
    encoder = keras_ssl.encoders.ViT("Ti", 4, width=16, depth=2, heads=2, image_size=16, pooling="class_mean")
    with pytest.raises(ValueError, match="Received: features of width 32, tokens of width 16"):
        keras_ssl.SimDINOv2(encoder, projector=(8,), patch_head=False)
