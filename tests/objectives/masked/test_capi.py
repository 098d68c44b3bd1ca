"""What CAPI computes: a slow reference, what each part sees and trains, bad input."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_capi_loss import slow_assignments, slow_loss
from tests.objectives.reference import value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def visible(model):
    return numbers(model.mask.split(Step.at(5).stream(), (4, 4))[0]).astype(int)


def test_the_loss_is_that_of_its_parts():
    model = tiny_model("CAPI", target_temperature=0.3, clustering_temperature=0.5, student_temperature=0.4)
    z = embedded(model)
    teacher = model.teacher.modules[0]
    images = model.make_views({"x": (IMAGES, IMAGES)}, Step.at(5))[0]
    tokens = numbers(teacher.encode(teacher.tokens(images)))[:, 1:]
    kernel, bias = (numbers(weight) for weight in model.clustering.weights)
    logits = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True) @ kernel + bias
    np.testing.assert_allclose(numbers(z["teacher"]), logits, atol=1e-3)
    assignments = slow_assignments(logits, 0.3, 3)
    places = numbers(z["places"]).argmax(axis=-1)
    assert places.shape == (5, 4)
    wanted = np.array([[assignments[i, patch] for patch in row] for i, row in enumerate(places)])
    prediction, clustering = slow_loss(numbers(z["student"]), wanted, 0.4), slow_loss(logits, assignments, 0.5)
    found = engine.reduce(model, z, Step.at(5))
    assert value(found.logs["prediction"]) == pytest.approx(prediction, rel=1e-3)
    assert value(found.logs["clustering"]) == pytest.approx(clustering, rel=1e-3)
    assert value(found.loss) == pytest.approx(prediction + clustering, rel=1e-3)
    entropy = -(wanted * np.log(wanted)).sum(axis=-1).mean()
    assert value(found.logs["target_entropy"]) == pytest.approx(entropy, rel=1e-3)


def test_only_hidden_patches_are_predicted_from_visible_ones():
    model = tiny_model("CAPI")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z, keep = embedded(model, images), visible(model)
    places = numbers(z["places"]).argmax(axis=-1)
    seen = np.zeros((5, 16), "float32")
    for i in range(5):
        assert not set(places[i]) & set(keep[i]) and len(set(places[i])) == 4
        seen[i, keep[i]] = 1
    mask = seen.reshape(5, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None]
    other = embedded(model, images * mask + 0.5 * (1 - mask))
    np.testing.assert_allclose(numbers(z["student"]), numbers(other["student"]), atol=1e-5)
    assert np.abs(numbers(z["teacher"]) - numbers(other["teacher"])).max() > 1e-3


def test_the_prediction_of_a_patch_does_not_depend_on_which_others_are_predicted():
    model = tiny_model("CAPI")
    seen = keras.ops.convert_to_tensor(np.random.RandomState(0).normal(size=(1, 4, 16)).astype("float32"))
    keep = np.array([[0, 1, 2]], "int32")
    first, second = (
        numbers(model.predict_tokens(seen, keep, np.array([places], "int32"), (4, 4)))
        for places in ([7, 9], [9, 15, 4])
    )
    np.testing.assert_allclose(first[:, 1], second[:, 0], atol=1e-5)
    assert np.abs(first[:, 0] - first[:, 1]).max() > 1e-3  # the position is known


def gradients(model, part):
    """Which weights one part of the loss trains, by path."""
    batch, step = {"x": (IMAGES, IMAGES)}, Step.at(5)
    model.explicit_views = False

    def function():
        loss = engine.reduce(model, model.embed(batch, step), step).logs[part]
        return loss, loss

    values = [keras.ops.convert_to_tensor(weight) for weight in model.trainable_variables]
    _, found = model.backend.value_and_gradients(model, function, model.trainable_variables, at=values)
    pairs = zip(model.trainable_variables, found, strict=True)
    return {w.path for w, g in pairs if g is not None and np.abs(numbers(g)).max() > 0}


def test_the_clustering_trains_its_head_and_the_prediction_all_else():
    model = tiny_model("CAPI")
    head = {weight.path for weight in model.clustering.weights}
    assert gradients(model, "clustering") == head
    trained = gradients(model, "prediction")
    assert not trained & head
    assert trained == {weight.path for weight in model.trainable_variables} - head


def test_the_teacher_is_frozen_and_follows_the_student():
    model = tiny_model("CAPI", momentum=0.5, final_momentum=None)
    assert not any(weight.trainable for weight in model.teacher.weights)
    kernel = model.encoder.get_layer("block1_mlp1").weights[0]
    mine = model.teacher.modules[0].get_layer("block1_mlp1").weights[0]
    before = numbers(mine)
    kernel.assign(kernel + 1.0)
    model.after_step({}, keras.ops.convert_to_tensor(True), Step.at(5))
    np.testing.assert_allclose(numbers(mine), before + 0.5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": 1}, "clusters=1"),
        ({"mask_ratio": 0.0}, "mask_ratio=0.0"),
        ({"mask_ratio": 1.0}, "ratio=1.0"),
        ({"prediction_ratio": 0.9}, "prediction_ratio=0.9"),
        ({"predictor_depth": 0}, "predictor_depth=0"),
        ({"predictor_heads": 3}, "heads=3"),
        ({"target_temperature": 0.0}, "target_temperature=0.0"),
        ({"student_temperature": -1.0}, "student_temperature=-1.0"),
        ({"iterations": 0}, "iterations=0"),
        ({"momentum": 2.0}, "momentum=2.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.CAPI(tiny_vit(), **{"clusters": 4, **options})


def test_needs_tokens_square_images_and_something_hidden():
    with pytest.raises(ValueError, match="must be a TokenEncoder for CAPI"):
        keras_ssl.CAPI(tiny_encoder())
    with pytest.raises(ValueError, match="must be square. Received: 4 x 2 patches"):
        embedded(tiny_model("CAPI"), IMAGES[:, :, :8])
    with pytest.raises(ValueError, match="at least one of 16 patches. Received: mask_ratio=0.01"):
        embedded(tiny_model("CAPI", mask_ratio=0.01, prediction_ratio=0.01))
