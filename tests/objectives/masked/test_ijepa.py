"""What I-JEPA computes: a slow reference, what the predictor sees."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.objectives.masked.ijepa import standardized_tokens
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3)).astype("uint8")


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def embedded(model, images=IMAGES, **options):
    model.explicit_views = False
    return model.embed({"x": (images, images)}, Step.at(len(images), **options))


def drawn(model):
    context, targets = model.mask.split(Step.at(5).stream(), (4, 4))
    return numbers(context).astype(int), numbers(targets).astype(int)


def test_the_loss_is_huber_s_of_standardized_tokens_of_the_teacher():
    model = tiny_model("IJEPA")
    z = embedded(model)
    teacher = model.teacher.modules[0]
    images = model.make_views({"x": (IMAGES, IMAGES)}, Step.at(5))[0]
    tokens = numbers(teacher.encode(teacher.tokens(images)))[:, teacher.prefix :]
    _, targets = drawn(model)
    prediction, total = numbers(z["prediction"]), []
    for i in range(5):
        for place, patch in enumerate(targets[i].reshape(-1)):
            token = tokens[i, patch]
            wanted = (token - token.mean()) / np.sqrt(token.var() + 1e-5)
            for a, b in zip(prediction[i, place], wanted, strict=True):
                d = abs(a - b)
                total.append(d * d / 2 if d < 1 else d - 0.5)
    assert value(engine.reduce(model, z, Step.at(5)).loss) == pytest.approx(np.mean(total), rel=1e-4)


def test_tokens_are_standardized_over_their_width():
    tokens = numbers(standardized_tokens(3 * draws(2, 4, 50) + 7))
    np.testing.assert_allclose(tokens.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(tokens.std(axis=-1), 1, rtol=1e-4)
    assert np.isfinite(numbers(standardized_tokens(np.ones((1, 2, 3), "float32")))).all()


def test_the_prediction_depends_on_the_context_alone():
    model = tiny_model("IJEPA")
    model.preprocessing = None
    images = IMAGES.astype("float32") / 255
    z = embedded(model, images)
    context, _ = drawn(model)
    visible = np.zeros((5, 16), "float32")
    for i, kept in enumerate(context):
        visible[i, kept] = 1
    mask = visible.reshape(5, 4, 4).repeat(4, axis=1).repeat(4, axis=2)[..., None]
    other = embedded(model, images * mask + 0.5 * (1 - mask))
    np.testing.assert_allclose(numbers(z["prediction"]), numbers(other["prediction"]), atol=1e-5)
    changed = embedded(model, images * (1 - mask) + 0.5 * mask)
    assert np.abs(numbers(changed["prediction"]) - numbers(z["prediction"])).max() > 1e-4


def test_targets_are_predicted_one_by_one():
    """The prediction of a target does not change with the other target."""
    model = tiny_model("IJEPA")
    seen = keras.ops.convert_to_tensor(draws(1, 6, 16))
    context = np.array([[0, 1, 2, 3, 4, 5]], "int32")
    both, other = np.array([[[10, 11], [14, 15]]], "int32"), np.array([[[10, 11], [6, 7]]], "int32")
    first, second = (numbers(model.predict_tokens(seen, context, targets, (4, 4))) for targets in (both, other))
    np.testing.assert_allclose(first[:, :2], second[:, :2], atol=1e-6)
    assert np.abs(first[:, 2:] - second[:, 2:]).max() > 1e-4  # the position is known


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="must be square. Received: 4 x 2 patches"):
        embedded(tiny_model("IJEPA"), IMAGES[:, :, :8])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 0.0}, "target=0.0"),
        ({"targets": 0}, "targets=0"),
        ({"context": 2.0}, "context=2.0"),
        ({"predictor_width": 6}, "width=6"),
        ({"predictor_depth": 0}, "predictor_depth=0"),
        ({"momentum": 2.0}, "momentum=2.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.IJEPA(tiny_vit(), **options)


def test_needs_tokens():
    with pytest.raises(ValueError, match="must be a TokenEncoder for IJEPA"):
        keras_ssl.IJEPA(tiny_encoder())
