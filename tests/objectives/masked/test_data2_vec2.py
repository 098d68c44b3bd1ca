"""What data2vec 2.0 computes: a slow reference, what student and teacher see, gradients."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.losses.test_layer_average_targets import slow as slow_targets
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def masks(model):
    """Numbers of the visible and of the hidden patches, by mask."""
    stream = Step.at(5).stream()
    return [[numbers(part).astype(int) for part in model.mask.split(stream, (4, 4))] for _ in range(model.masks)]


def mlp_outputs(encoder, images):
    """By hand: what the last layer of each block's MLP gives for the patches."""
    x, found = encoder.tokens(images), []
    for number in (1, 2):

        def layer(name, number=number):
            return encoder.get_layer(f"block{number}_{name}")

        x = x + layer("projection")(layer("attention")(layer("qkv")(layer("norm1")(x))))
        branch = layer("mlp2")(layer("activation")(layer("mlp1")(layer("norm2")(x))))
        found.append(numbers(branch)[:, encoder.prefix :])
        x = x + branch
    return found


@pytest.mark.parametrize("layers", [1, 2])
def test_the_loss_is_that_of_hidden_patches_and_of_the_class_token(layers):
    model = tiny_model("Data2Vec2", layers=layers, class_weight=0.3)
    z = embedded(model)
    images = model.make_views({"x": (IMAGES, IMAGES)}, Step.at(5))[0]
    targets = slow_targets(mlp_outputs(model.teacher.modules[0], images)[-layers:])
    patches, whole, drawn = [], [], masks(model)
    for i in range(5):
        for number, (keep, hidden) in enumerate(drawn):
            seen = model.encoder.encode(model.encoder.tokens(images[i : i + 1]), keep[i : i + 1].astype("int32"))
            predicted = numbers(model.decode(seen[:, 1:], keep[i : i + 1].astype("int32"), (4, 4)))[0]
            patches += [np.mean((predicted[patch] - targets[i, patch]) ** 2) for patch in hidden[i]]
            whole.append(np.mean((numbers(seen)[0, 0] - targets[i].mean(axis=0)) ** 2))
            wanted = z["prediction"][i, number * hidden.shape[1] : (number + 1) * hidden.shape[1]]
            np.testing.assert_allclose(numbers(wanted), predicted[hidden[i]], atol=1e-4)
    found = engine.reduce(model, z, Step.at(5))
    assert value(found.logs["patches"]) == pytest.approx(np.mean(patches), rel=1e-3)
    assert value(found.logs["whole"]) == pytest.approx(np.mean(whole), rel=1e-3)
    assert value(found.loss) == pytest.approx(np.mean(patches) + 0.3 * np.mean(whole), rel=1e-3)


def test_predicting_0_costs_the_variance_of_a_token():
    """Closed form: targets have variance 1 by token."""
    model = tiny_model("Data2Vec2", class_weight=0.0)
    z = embedded(model)
    assert "class_target" not in z
    z["prediction"] = keras.ops.zeros_like(z["prediction"])
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(1.0, rel=1e-3)


def test_with_one_mask_the_loss_is_that_of_its_part_of_two():
    """The masks share the targets: the loss of two is the mean of the losses of each."""
    two = tiny_model("Data2Vec2", class_weight=0.0)
    one = keras_ssl.Data2Vec2.from_config({**two.get_config(), "masks": 1})
    one.set_weights(two.get_weights())
    z, first = embedded(two), embedded(one)
    size = first["prediction"].shape[1]
    np.testing.assert_allclose(numbers(z["prediction"])[:, :size], numbers(first["prediction"]), atol=1e-5)
    np.testing.assert_allclose(numbers(z["target"])[:, :size], numbers(first["target"]), atol=1e-5)


def test_the_student_sees_the_visible_patches_alone_and_the_teacher_all():
    model = tiny_model("Data2Vec2", masks=1)
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z, (keep, _) = embedded(model, images), masks(model)[0]
    visible = np.zeros((5, 16), "float32")
    for i in range(5):
        visible[i, keep[i]] = 1
    mask = visible.reshape(5, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None]
    other = embedded(model, images * mask + 0.5 * (1 - mask))
    np.testing.assert_allclose(numbers(z["prediction"]), numbers(other["prediction"]), atol=1e-5)
    assert np.abs(numbers(z["target"]) - numbers(other["target"])).max() > 1e-3
    np.testing.assert_allclose(numbers(z["features"]), numbers(model.teacher.modules[0](images)), atol=1e-5)


def test_no_gradient_reaches_the_teacher_and_it_follows_the_student():
    model = tiny_model("Data2Vec2", momentum=0.5, final_momentum=None)
    assert not any(weight.trainable for weight in model.teacher.weights)
    kernel = model.encoder.get_layer("block1_mlp1").weights[0]
    mine = model.teacher.modules[0].get_layer("block1_mlp1").weights[0]
    before = numbers(mine)
    kernel.assign(kernel + 1.0)
    model.after_step({}, keras.ops.convert_to_tensor(True), Step.at(5))
    np.testing.assert_allclose(numbers(mine), before + 0.5, atol=1e-5)


def test_visible_tokens_stand_at_their_places():
    """A decoder of 1 x 1 would give each place its own token; here a far change leaves a place as it is."""
    model = tiny_model("Data2Vec2", decoder_depth=1)
    seen, keep = draws(1, 2, 16), np.array([[0, 1]], "int32")
    first = numbers(model.decode(keras.ops.convert_to_tensor(seen), keep, (4, 4)))
    seen[0, 0] += 1.0
    second = numbers(model.decode(keras.ops.convert_to_tensor(seen), keep, (4, 4)))
    changed = np.abs(first - second).max(axis=-1)[0].reshape(4, 4) > 1e-6
    assert changed[:2, :2].all() and not changed[2:].any() and not changed[:, 2:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_ratio": 0.0}, "mask_ratio=0.0"),
        ({"mask_ratio": 1.0}, "ratio=1.0"),
        ({"masks": 0}, "masks=0"),
        ({"layers": 3}, "layers=3"),
        ({"decoder_depth": 0}, "decoder_depth=0"),
        ({"decoder_groups": 3}, "groups=3"),
        ({"class_weight": -1.0}, "class_weight=-1.0"),
        ({"momentum": 2.0}, "momentum=2.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.Data2Vec2(tiny_vit(), **options)


def test_refuses_a_class_loss_without_class_token():
    encoder = keras_ssl.encoders.ViT(
        "Ti", 4, width=16, depth=2, heads=2, image_size=16, class_token=False, pooling="mean"
    )
    with pytest.raises(ValueError, match="Received: class_weight=0.01"):
        keras_ssl.Data2Vec2(encoder)


def test_refuses_masks_that_hide_nothing():
    with pytest.raises(ValueError, match="at least one of 16 patches. Received: mask_ratio=0.01"):
        embedded(tiny_model("Data2Vec2", mask_ratio=0.01))


def test_needs_a_vision_transformer():
    with pytest.raises(ValueError, match="must be a vision transformer for Data2Vec2"):
        keras_ssl.Data2Vec2(tiny_encoder())
