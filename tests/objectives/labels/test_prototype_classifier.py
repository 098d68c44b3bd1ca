"""What PrototypeClassifier computes: a slow reference, roles of R1 and R2, limits, pictures."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.layers import PrototypeDistances
from keras_ssl.losses import prototype_coverage_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, size=(6, 16, 16, 3)).astype("uint8")
LABELS = np.array([0, 3, -1, 1, 2, -1], "int32")


def array(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def outcome(model, images=IMAGES, labels=LABELS):
    batch = {"x": keras.ops.convert_to_tensor(images), "y": keras.ops.convert_to_tensor(labels)}
    return engine.forward(model, batch, Step.at(len(images), training=False))


def plain(**options):
    return tiny_model("PrototypeClassifier", views=[keras_ssl.views.Identity()], **options)


@pytest.mark.parametrize("weights", [(20.0, 1.0, 1.0, 1.0), (0.5, 0.1, 2.0, 0.3)])
def test_equals_the_reference(weights):
    names = ("class_weight", "reconstruction_weight", "prototype_weight", "sample_weight")
    model = plain(**dict(zip(names, weights, strict=True)))
    z = array(model.features(IMAGES)).astype("float64")
    p = array(model.distances.prototypes).astype("float64")
    w = array(model.classifier.kernel).astype("float64")
    decoded = array(model.decode(model.features(IMAGES)))
    d = [[sum((a - b) ** 2 for a, b in zip(row, point, strict=True)) for point in p] for row in z]
    entropies, errors = [], []
    for n, label in enumerate(LABELS):
        logits = [sum(d[n][j] * w[j, k] for j in range(5)) for k in range(4)]
        if label >= 0:
            entropies.append(np.log(np.sum(np.exp(logits))) - logits[label])
        errors.append(np.sum((decoded[n] - IMAGES[n] / 255) ** 2))
    r1 = np.mean([min(d[n][j] for n in range(6)) for j in range(5)])
    r2 = np.mean([min(row) for row in d])
    parts = (np.mean(entropies), np.mean(errors), r1, r2)
    found = outcome(model)
    for name, part in zip(("classification", "reconstruction", "r1", "r2"), parts, strict=True):
        assert value(found.logs[name]) == pytest.approx(part, rel=1e-4)
    assert value(found.loss) == pytest.approx(np.dot(weights, parts), rel=1e-4)


def test_prototypes_on_the_samples_have_no_coverage_loss():
    model = plain(prototypes=6)
    model.distances.prototypes.assign(model.features(IMAGES))
    logs = outcome(model).logs
    assert value(logs["r1"]) == pytest.approx(0, abs=1e-9) and value(logs["r2"]) == pytest.approx(0, abs=1e-9)


def test_swapping_roles_exchanges_both_losses():
    d = np.abs(draws(5, 7))
    first, second = (value(part) for part in prototype_coverage_loss(d))
    swapped = [value(part) for part in prototype_coverage_loss(d.T)]
    assert swapped == pytest.approx([second, first]) and first != second
    assert first == pytest.approx(np.mean([min(d[i, j] for i in range(5)) for j in range(7)]))


def test_distances_equal_scipy():
    from scipy.spatial.distance import cdist

    z, layer = draws(6, 4), PrototypeDistances(3)
    found = array(layer(z))
    np.testing.assert_allclose(found, cdist(z, array(layer.prototypes)) ** 2, rtol=1e-5)
    layer.prototypes.assign(z[:3])
    assert np.all(np.diag(array(layer(z))[:3]) == 0.0)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()


def test_the_nearest_sample_alone_gets_a_gradient_of_the_first_loss():
    d = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 9.0]])
    _, (gradient,) = differentiate(lambda x: prototype_coverage_loss(x)[0], d)
    np.testing.assert_allclose(gradient, [[0.5, 0], [0, 0.5], [0, 0]])
    _, (gradient,) = differentiate(lambda x: prototype_coverage_loss(x)[1], d)
    np.testing.assert_allclose(gradient, [[1 / 3, 0], [1 / 3, 0], [1 / 3, 0]], rtol=1e-6)


def test_without_other_terms_it_is_a_plain_autoencoder():
    model = plain(class_weight=0.0, prototype_weight=0.0, sample_weight=0.0, reconstruction_weight=1.0)
    encoded = model.encoder(model.encoder_input(IMAGES))
    mean = np.mean(np.sum((array(model.decode(encoded)) - IMAGES / 255) ** 2, axis=(1, 2, 3)))
    assert value(outcome(model).loss) == pytest.approx(mean, rel=1e-5)
    model.compile(keras.optimizers.SGD(0.01))
    kept = array(model.distances.prototypes).copy()
    model.fit(IMAGES, batch_size=6, epochs=1, verbose=0)  # no labels are needed
    np.testing.assert_array_equal(array(model.distances.prototypes), kept)


def test_predicts_logits_and_shows_prototypes():
    model = plain()
    assert model.predict(IMAGES, verbose=0).shape == (6, 4) and array(model.features(IMAGES)).shape == (6, 16)
    pictures = model.decoded_prototypes()
    assert pictures.shape == (5, 16, 16, 3) and 0 <= pictures.min() <= pictures.max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "Received: classes=1"),
        ({"prototypes": 0}, "Received: prototypes=0"),
        ({"decoder_widths": (0,)}, "Received: decoder_widths=0"),
        ({"image_size": None}, "Received: image_size=None"),
        ({"class_weight": -1.0}, "Received: class_weight=-1.0"),
        ({"reconstruction_weight": np.nan}, "Received: reconstruction_weight=nan"),
        ({"prototype_weight": np.inf}, "Received: prototype_weight=inf"),
        ({"sample_weight": -0.1}, "Received: sample_weight=-0.1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.PrototypeClassifier(tiny_encoder(), **{"classes": 3, "image_size": 16, **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PrototypeDistances(0), "Received: count=0"),
        (lambda: PrototypeDistances(2)(np.ones((2, 3, 4))), "Received: input_shape="),
        (lambda: prototype_coverage_loss(np.ones(3)), "Received: distances.shape="),
        (lambda: outcome(plain(image_size=8)), r"Received: shape \(16, 16, 3\)"),
    ],
)
def test_refuses_others(call, message):
    with pytest.raises(ValueError, match=message):
        call()
