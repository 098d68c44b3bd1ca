import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import finetune, stratified_subset
from keras_ssl.evaluation.finetuned_classifier import features_model


def encoder(widths=(4, 8)):
    return keras_ssl.encoders.ConvNet(widths=widths, input_shape=(8, 8, 3))


def stripes(count=120, seed=0):
    """Images of noise with horizontal or vertical stripes, and the words for them."""
    rng = np.random.default_rng(seed)
    labels = np.array(["lying", "upright"])[np.arange(count) % 2]
    images = rng.integers(0, 120, (count, 8, 8, 3))
    images[0::2, ::2] += 100
    images[1::2, :, ::2] += 100
    return images.astype("uint8"), labels


def data():
    return *stripes(), *stripes(40, seed=1)


def test_learns_from_few_labels_and_leaves_the_model_as_it_is():
    model = keras_ssl.SimCLR(encoder(), projector=(8, 4))
    model.encoder.trainable = False
    before = [weight.copy() for weight in model.get_weights()]
    found = finetune(model, *data(), fraction=0.5, epochs=20, learning_rate=2e-2)
    assert found.samples == 60 and found.scratch is None and found.accuracy > 0.9
    assert not model.encoder.trainable
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.slow
def test_is_a_function_of_its_arguments_and_of_the_chosen_labels():
    x, y, x_test, y_test = data()
    model, arguments = encoder(), {"fraction": 0.2, "from_scratch": True, "epochs": 2}
    found = finetune(model, x, y, x_test, y_test, **arguments)
    encoder()  # draws from Python's generator
    np.random.seed(5)
    unused = np.setdiff1d(np.arange(len(y)), stratified_subset(y, 0.2))
    x[unused] = 0
    assert finetune(model, x, y, x_test, y_test, **arguments) == found


def test_the_head_is_logistic_regression_where_nothing_else_trains():
    """An encoder without weights: the closed problem, which scikit-learn solves."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 2, 2, 1), "float32"), rng.integers(0, 3, 200)
    x[:, 0, 0, 0] += y
    model = keras.Sequential([keras.layers.Input((2, 2, 1)), keras.layers.Flatten()])
    found = finetune(model, x, y, x, y, fraction=1, epochs=150, learning_rate=0.05, batch_size=100)
    exact = linear_model.LogisticRegression(C=1e6).fit(x.reshape(200, -1), y).score(x.reshape(200, -1), y)
    assert found.accuracy == pytest.approx(exact, abs=0.015)


def test_batch_statistics_are_live(monkeypatch):
    """The copy that trains moves its means; a copy that stood still would keep those of the model."""
    copies = []
    clone = keras.models.clone_model
    monkeypatch.setattr(keras.models, "clone_model", lambda model: copies.append(clone(model)) or copies[-1])
    model = encoder()
    finetune(model, *data(), fraction=1, epochs=1)
    (copy,) = copies
    moved = {
        new.path.split("/")[-1]: float(np.abs(keras.ops.convert_to_numpy(new - old)).max())
        for new, old in zip(copy.weights, model.weights, strict=True)
    }
    assert moved["moving_mean"] > 0.01 and moved["kernel"] > 1e-4 and moved["gamma"] > 1e-4


@pytest.mark.parametrize("kind", ["loaded", "sslmodel", "resnet", "vit"])
def test_the_copy_computes_what_the_model_does(kind, tmp_path):
    images = stripes(6)[0]
    if kind == "sslmodel":
        model = keras_ssl.SimCLR(encoder(), projector=(8, 4))
    elif kind == "loaded":
        model = keras_ssl.load("barlow_digits", trainable=False)
        images = np.tile(images, (1, 2, 2, 1))
    elif kind == "resnet":
        model = keras_ssl.encoders.ResNet(18, stem="cifar", width=0.0625, input_shape=(8, 8, 3))
    else:
        model = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=8, depth=2, width=8, heads=2)
    features = features_model(model, "uint8")
    copy = keras.models.clone_model(features)
    copy.set_weights(features.get_weights())
    np.testing.assert_allclose(copy.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


def test_odd_data():
    x, _, x_test, _ = data()
    model = encoder((2,))
    one = finetune(model, x, np.full(120, 7), x_test, np.r_[np.full(30, 7), np.full(10, 8)], epochs=1)
    assert one.accuracy == 0.75  # one class in training: it is the prediction
    alone = finetune(model, x[:1], ["a"], x_test, np.full(40, "a"), fraction=0.01, epochs=1)
    assert alone == (1.0, None, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fraction": 0}, "Received: fraction=0"),
        ({"epochs": 0}, "Received: epochs=0"),
        ({"learning_rate": -1.0}, "Received: learning_rate=-1.0"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"train_labels": [0]}, r"Received: train_labels.shape=\(1,\)"),
        ({"test_labels": [0.5, 0.5]}, "Received: test_labels.dtype=float64"),
        ({"train_images": np.zeros((0, 8, 8, 3))}, r"Received: train_images.shape=\(0, 8, 8, 3\)"),
        ({"test_images": np.stack([np.zeros((8, 8, 3)), np.full((8, 8, 3), np.nan)])}, "`test_images`.* in sample 1"),
        ({"model": "encoder"}, "Received: model='encoder'"),
        ({"model": keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.ReLU()])}, "output shape"),
        ({"learning_rate": 1e38}, "Received: learning_rate=1e.38"),
    ],
)
def test_bad_arguments(change, message):
    flat = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    arguments = {
        "model": flat,
        "train_images": np.full((2, 8, 8, 3), 100, "uint8"),
        "train_labels": [0, 1],
        "test_images": np.full((2, 8, 8, 3), 100, "uint8"),
        "test_labels": [0, 1],
        "fraction": 1,
        "epochs": 3,
    }
    with pytest.raises(ValueError, match=message):
        finetune(**arguments | change)
