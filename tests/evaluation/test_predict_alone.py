"""Held to `predict`, which a single process can use; two processes are in tests/callbacks/test_resumed_worlds.py."""

import gc
import weakref

import keras
import numpy as np
import pytest

from keras_ssl.evaluation.predict_alone import predict_alone

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="tf.distribute divides the work itself")


def model():
    layers = [keras.layers.Dense(5, activation="relu"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    return keras.Sequential([keras.layers.Input((4,)), *layers])


def test_the_outputs_are_those_of_predict_also_after_training():
    encoder, x = model(), np.random.RandomState(0).rand(12, 4).astype("float32")
    encoder.compile("sgd", "mse")
    for _ in range(2):
        expected = encoder.predict(x, batch_size=4, verbose=0)
        np.testing.assert_allclose(predict_alone(encoder, x, 4), expected, atol=1e-6)
        encoder.fit(x, np.ones((12, 5), "float32"), verbose=0)
    assert np.abs(predict_alone(encoder, x, 4) - expected).max() > 1e-4


def test_several_outputs_keep_their_structure():
    x = keras.layers.Input((4,))
    both = keras.Model(x, {"a": 2 * x, "b": keras.ops.sum(x, axis=-1, keepdims=True)})
    found = predict_alone(both, np.ones((6, 4), "float32"), 3)
    assert found["a"].shape == (6, 4) and found["b"].tolist() == [[4.0]] * 6


def test_the_program_goes_with_its_model():
    encoder = model()
    predict_alone(encoder, np.ones((2, 4), "float32"), 2)
    gone = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert gone() is None
