"""Distillation of logits and of similarities at layers: parts of the loss, limits, layers of every form."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import losses
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model, tiny_vit
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
LABELS = np.array([0, 1, 2, 3, -1, 1, 2, 0], "int32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def batch():
    return {"x": keras.ops.convert_to_tensor(IMAGES), "y": keras.ops.convert_to_tensor(LABELS)}


def conv_teacher(classes=4, width=6):
    layers = keras.layers
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(width, 3, strides=4, padding="same", activation="silu", name="conv")(images)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(images, layers.Dense(classes, name="logits")(x))


def model_of(encoder=None, **options):
    arguments = {"classes": 4, "teacher": conv_teacher(), "views": cheap_views(), **options}
    return keras_ssl.MultiLevelDistiller(encoder or tiny_encoder(), **arguments)


def last_conv(encoder):
    return [layer.name for layer in encoder.layers if "activation" in layer.name][-1]


def test_the_loss_equals_its_parts():
    encoder = tiny_encoder()
    model = model_of(
        encoder,
        layers={last_conv(encoder): "conv"},
        similarity_weight=0.7,
        teacher_weight=0.5,
        label_weight=0.3,
        temperature=2.0,
    )
    z = engine.embed(model, batch(), Step.at(8))
    assert z["student_layer0"].shape == (8, 16) and z["teacher_layer0"].shape == (8, 6)
    found = engine.reduce(model, z, Step.at(8))
    s, t = (numbers(z[f"{name}_layer0"]) for name in ("student", "teacher"))
    s, t = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (s, t))
    similarity = np.mean((s @ s.T - t @ t.T) ** 2)
    distilled = numbers(losses.softened_kl_loss(z["logits"], z["teacher"], 2.0)).mean()
    supervised = value(found.logs["supervised"])
    assert value(found.logs["similarity"]) == pytest.approx(similarity, rel=1e-4)
    assert value(found.loss) == pytest.approx(0.7 * similarity + 0.5 * distilled + 0.3 * supervised, rel=1e-4)


def test_without_similarities_it_is_knowledge_distillation():
    teacher, encoder = conv_teacher(), tiny_encoder()
    model = model_of(encoder, teacher=teacher, similarity_weight=0.0, teacher_weight=0.9, label_weight=0.1)
    plain = keras_ssl.KnowledgeDistillation(encoder, 4, teacher, views=cheap_views())
    plain.classifier.set_weights(model.classifier.get_weights())
    step = Step.at(8, training=False)
    found, expected = (value(engine.forward(one, batch(), step).loss) for one in (model, plain))
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_student_that_is_its_teacher_costs_nothing():
    teacher = conv_teacher()
    encoder = keras.Model(teacher.input, teacher.get_layer("pooled").output)
    model = model_of(encoder, teacher=teacher, layers={"conv": "conv", "pooled": "pooled"}, preprocessing=None)
    model.classifier.set_weights(teacher.get_layer("logits").get_weights())
    images = keras.ops.convert_to_tensor((IMAGES / 255.0).astype("float32"))  # the scale of the teacher's
    found = engine.forward(model, {**batch(), "x": images}, Step.at(8, training=False))
    assert value(found.logs["similarity"]) == pytest.approx(0.0, abs=1e-6)
    assert value(found.logs["distilled"]) == pytest.approx(0.0, abs=1e-5)


def test_similarities_do_not_see_a_rotation():
    model = tiny_model("MultiLevelDistiller")
    z = {"student_layer0": draws(6, 5), "teacher_layer0": draws(6, 7, seed=1)}
    turn = np.linalg.qr(draws(5, 5, seed=2))[0].astype("float32")
    turned = {**z, "student_layer0": 3.0 * z["student_layer0"] @ turn}
    found, expected = (value(model.objective(parts, Step.at(6))[0]) for parts in (turned, z))
    assert found == pytest.approx(expected, rel=1e-4)


def test_parts_are_compared_within_each_sample():
    encoder = tiny_vit()  # 16 patches behind a class token
    names = [layer.name for layer in encoder.layers]
    assert "patch_embedding" in names
    model = model_of(encoder, layers={"patch_embedding": "conv"}, between="parts")
    z = engine.embed(model, batch(), Step.at(8))
    assert z["student_layer0"].shape == (8, 16, 16) and z["teacher_layer0"].shape == (8, 16, 6)
    found = value(engine.reduce(model, z, Step.at(8)).logs["similarity"])
    each = [
        value(losses.similarity_matrix_loss(numbers(z["student_layer0"])[k], numbers(z["teacher_layer0"])[k]))
        for k in range(8)
    ]
    assert found == pytest.approx(np.mean(each), rel=1e-4) and not model.compares_samples


def test_the_layers_of_a_loaded_encoder_are_found_and_the_teacher_stays():
    name = keras_ssl.load("barlow_digits", include_preprocessing=False).layers[2].name
    encoder = tiny_encoder()
    model = keras_ssl.MultiLevelDistiller(
        encoder, 4, "barlow_digits", layers={last_conv(encoder): name}, views=cheap_views()
    )
    assert type(model).from_config(model.get_config()).get_config() == model.get_config()
    before = [weight.copy() for weight in model.teacher.model.get_weights()]
    model.compile("adam", jit_compile=False)
    history = model.fit(IMAGES, np.maximum(LABELS, 0), batch_size=8, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]
    for mine, theirs in zip(before, model.teacher.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": {"nowhere": "conv"}}, r"Received: \['nowhere'\]"),
        ({"layers": {}}, "Received: layers={}"),
        ({"between": "pixels"}, "Received: between='pixels'"),
        ({"between": "parts"}, "layers=None"),
        ({"similarity_weight": -1.0}, "Received: similarity_weight=-1"),
        ({"teacher_weight": -1.0}, "Received: teacher_weight=-1"),
        ({"label_weight": -1.0}, "Received: label_weight=-1"),
        ({"teacher": np.zeros((8, 4))}, "Received: teacher of stored logits"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(**options)
