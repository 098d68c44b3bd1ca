"""What SelfSupervisedLabelAugmentation computes."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, array, cross_entropy, model_of, outcome, soft, supervised
from tests.objectives.reference import draws

NAME = "SelfSupervisedLabelAugmentation"


def inputs(joint, single=None):
    z = {"features": draws(len(joint), 4), "joint": joint, "y": LABELS}
    z = z if single is None else {**z, "single": single}
    return {name: keras.ops.convert_to_tensor(part) for name, part in z.items()}


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_equals_the_reference(temperature):
    joint, single = draws(8, 4, 12), draws(8, 3, seed=1)
    losses, heads, divergences = [], [], []
    for z, s, y in zip(joint, single, LABELS, strict=True):
        if y >= 0:
            losses.append(np.mean([cross_entropy(z[j], y * 4 + j) for j in range(4)]))
            heads.append(cross_entropy(s, y))
            mean = np.array([np.mean([z[j, k * 4 + j] for j in range(4)]) for k in range(3)])
            p, q = soft(mean / temperature), soft(s / temperature)
            divergences.append(temperature**2 * np.sum(p * (np.log(p) - np.log(q))))
    loss, logs = outcome(model_of(NAME, self_distillation=False), inputs(joint))
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    loss, logs = outcome(model_of(NAME, temperature=temperature), inputs(joint, single))
    assert loss == pytest.approx(np.mean(losses) + np.mean(heads) + np.mean(divergences), rel=1e-5)
    assert logs["distillation"] == pytest.approx(np.mean(divergences), rel=1e-4)


def test_without_transformations_it_is_cross_entropy():
    logits = draws(8, 3)
    loss, _ = outcome(model_of(NAME, transforms="identity", self_distillation=False), inputs(logits[:, None]))
    assert loss == pytest.approx(supervised(logits), rel=1e-6)


def test_of_one_class_it_tells_rotations_apart():
    model = keras_ssl.SelfSupervisedLabelAugmentation(tiny_encoder(), classes=1)
    joint, labels = draws(8, 4, 4), np.zeros(8, "int32")
    loss, _ = outcome(model, {**inputs(joint), "y": keras.ops.convert_to_tensor(labels)})
    expected = np.mean([cross_entropy(row[j], j) for row in joint for j in range(4)])
    assert loss == pytest.approx(expected, rel=1e-5)


def test_heads_that_agree_have_no_divergence():
    single = draws(8, 3)
    joint = np.repeat(np.repeat(single, 4, axis=1)[:, None], 4, axis=1)
    assert outcome(model_of(NAME), inputs(joint, single))[1]["distillation"] == pytest.approx(0.0, abs=1e-6)


def test_rotations_are_those_of_numpy_and_four_of_a_quarter_are_none():
    images = draws(2, 5, 5, 3)
    model = model_of(NAME)
    for quarter, found in enumerate(model.transformed(images)):
        np.testing.assert_array_equal(array(found), np.rot90(images, quarter, axes=(1, 2)))
    once = images
    for _ in range(4):
        once = model.transformed(once)[1]
    np.testing.assert_array_equal(array(once), images)


def test_colors_are_all_orders():
    images = draws(1, 2, 2, 3)
    found = model_of(NAME, transforms="colors").transformed(images)
    assert len({array(image).tobytes() for image in found}) == 6
    np.testing.assert_array_equal(array(found[0]), images)
    np.testing.assert_array_equal(array(found[-1]), images[..., ::-1])


def test_predicts_aggregated_logits_or_those_of_the_single_head():
    x = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype("uint8")
    model = model_of(NAME, self_distillation=False)
    rotated = [np.rot90(x, quarter, axes=(1, 2)) for quarter in range(4)]
    logits = [array(model.classify(model.features(np.ascontiguousarray(image)))) for image in rotated]
    expected = np.mean([logit.reshape(3, 3, 4)[..., j] for j, logit in enumerate(logits)], axis=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
    assert model_of(NAME).predict(x, verbose=0).shape == (3, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 0}, "classes=0"),
        ({"classes": 3, "transforms": "flips"}, "transforms='flips'"),
        ({"classes": 3, "temperature": 0.0}, "temperature=0.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.SelfSupervisedLabelAugmentation(tiny_encoder(), **options)


def test_refuses_inputs_that_do_not_suit():
    def encoder(*shape):
        x = keras.Input(shape)
        return keras.Model(x, keras.layers.GlobalAveragePooling2D()(x))

    with pytest.raises(ValueError, match="needs squares"):
        keras_ssl.SelfSupervisedLabelAugmentation(encoder(4, 6, 3), classes=3)
    with pytest.raises(ValueError, match="needs three channels"):
        keras_ssl.SelfSupervisedLabelAugmentation(encoder(4, 4, 1), classes=3, transforms="colors")
