import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders import ConvNet
from keras_ssl.merging import ConcatEncoders

X = np.random.default_rng(0).uniform(size=(5, 8, 8, 3)).astype("float32")


def outputs(model, x=X):
    return keras.ops.convert_to_numpy(model(x))


def test_features_stand_side_by_side_and_members_are_copies():
    encoders = [ConvNet((4, 8)), ConvNet((6,))]
    both = ConcatEncoders(encoders)
    expected = np.concatenate([outputs(encoder) for encoder in encoders], axis=1)
    np.testing.assert_array_equal(outputs(both), expected)
    assert both.output_shape == (None, 14)
    encoders[0].set_weights([weight + 1 for weight in encoders[0].get_weights()])
    np.testing.assert_array_equal(outputs(both), expected)


def test_normalized_features_have_length_one_by_encoder():
    encoders = [ConvNet((4, 8)), ConvNet((6,))]
    found = outputs(ConcatEncoders(encoders, normalize=True))
    for part, encoder in zip((found[:, :8], found[:, 8:]), encoders, strict=True):
        raw = outputs(encoder)
        np.testing.assert_allclose(part, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_two_copies_leave_the_least_squares_probe_as_it_is():
    encoder = ConvNet((4, 8))
    targets = np.random.default_rng(1).normal(size=(5, 2))
    single, double = outputs(encoder), outputs(ConcatEncoders([encoder, encoder]))
    predictions = [z @ np.linalg.lstsq(z, targets, rcond=1e-6)[0] for z in (single, double)]
    np.testing.assert_allclose(*predictions, atol=1e-3)


def test_two_encoders_that_each_see_half_solve_what_neither_does():
    def sees(column):
        inputs = keras.Input((2,))
        return keras.Model(inputs, keras.ops.sign(inputs[:, column : column + 1]))

    x = np.random.default_rng(2).normal(size=(200, 2)).astype("float32")
    y = np.sign(x).sum(axis=1)  # -2, 0 or 2
    both = ConcatEncoders([sees(0), sees(1)])
    for encoder, solved in ((sees(0), False), (sees(1), False), (both, True)):
        z = outputs(encoder, x)
        error = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
        assert (np.abs(error).max() < 1e-5) == solved


def test_is_saved_exported_and_trained_on(tmp_path):
    both = ConcatEncoders([ConvNet((4, 8)), ConvNet((6,))])
    both.save(tmp_path / "both.keras")
    again = keras.saving.load_model(tmp_path / "both.keras")
    np.testing.assert_array_equal(outputs(again), outputs(both))
    keras_ssl.export(both, tmp_path / "entry")
    normalized = (X - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]  # as `load` does, by the card
    loaded = outputs(keras_ssl.load(tmp_path / "entry"))
    np.testing.assert_allclose(loaded, outputs(both, normalized.astype("float32")), atol=1e-5)
    assert len(keras_ssl.weights.named_weights(both)) == len(both.weights)
    model = keras_ssl.SimCLR(both, projector=(8, 4))
    model.compile("sgd")
    model.fit((X * 255).astype("uint8"), batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ([], "`encoders` must hold one or more"),
        ([keras.layers.Dense(2)], r"`encoders` must be built Keras models. Received: encoders\[0\]"),
        ([keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(2)])], "must give features"),
        ([ConvNet((4,)), ConvNet((4,), input_shape=(8, 8, 1))], r"must take one input. Received: encoders\[0\]"),
    ],
)
def test_refuses(encoders, message):
    with pytest.raises(ValueError, match=message):
        ConcatEncoders(encoders)


class Undeclared(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize("encoders", [None, 3, "two"])
def test_what_is_no_list_of_encoders(encoders):
    with pytest.raises(ValueError, match="^`encoders` must .*Received: "):
        ConcatEncoders(encoders)


def test_an_encoder_without_a_declared_input():
    encoder = Undeclared()
    encoder.built = True
    with pytest.raises(ValueError, match="^`encoders` must be models of one declared input. Received: "):
        ConcatEncoders([encoder])
