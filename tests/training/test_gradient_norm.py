"""The gradient's norm in the logs: right, and without a trace on training."""

import random

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import engine
from keras_ssl.training.gradient_norm import gradient_norm

VIEWS = np.random.default_rng(0).integers(0, 256, (2, 24, 4, 4, 3), dtype=np.uint8)  # ready-made: little to compile


def trained(optimizer, count=24, **options):
    """A model after one epoch of batches of 8, its trainable weights before, and the history."""
    random.seed(3)  # of the initial weights
    encoder = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(12)])
    model = keras_ssl.BarlowTwins(encoder, projector=(16, 8))
    model.compile(optimizer, **options)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    history = model.fit((VIEWS[0][:count], VIEWS[1][:count]), batch_size=8, shuffle=False, verbose=0).history
    return model, before, history


def moved(model, before):
    after = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    return np.sqrt(sum(np.square(a.astype("float64") - b).sum() for a, b in zip(after, before, strict=True)))


def test_equals_numpy():
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape).astype("float32") for shape in ((3, 4), (5,), ())]
    expected = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]))
    tensors = [None, *(keras.ops.convert_to_tensor(g) for g in gradients)]
    assert float(gradient_norm(keras.optimizers.SGD(), tensors)) == pytest.approx(expected, rel=1e-6)
    scaled = [None, *(keras.ops.convert_to_tensor(g * 512) for g in gradients)]
    assert float(gradient_norm(keras.optimizers.SGD(loss_scale_factor=512.0), scaled)) == pytest.approx(expected, 1e-6)


def test_no_gradient_at_all():
    assert float(gradient_norm(keras.optimizers.SGD(), [None, None])) == 0.0


def test_overflow_is_0_only_where_loss_scaling_skips_the_step():
    gradients = [keras.ops.convert_to_tensor(np.array([1.0, np.inf], "float32"))]
    assert np.isinf(float(gradient_norm(keras.optimizers.SGD(), gradients)))
    assert float(gradient_norm(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), gradients)) == 0.0


def test_the_square_of_a_scaled_gradient_may_overflow():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=2.0**100)
    gradient = keras.ops.convert_to_tensor(np.array([3.0, 4.0], "float32") * np.float32(2.0**100))
    assert float(gradient_norm(optimizer, [gradient])) == pytest.approx(5.0, rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"loss_scale_factor": 1024.0}, {"global_clipnorm": 1e-3}])
def test_is_what_plain_gradient_descent_moves_the_weights_by(options):
    """Independent of the step: with rate 1 the weights move by the gradient, or by what clipping left of it."""
    model, before, history = trained(keras.optimizers.SGD(1.0, **options), count=8)
    if "global_clipnorm" in options:
        assert moved(model, before) == pytest.approx(1e-3, rel=1e-3) and history["gradient_norm"][0] > 1e-2
    else:
        assert history["gradient_norm"][0] == pytest.approx(moved(model, before), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True] if keras.backend.backend() == "tensorflow" else [True])
def test_training_is_bitwise_the_same_without_it(monkeypatch, jit_compile):
    weights = []
    for without in (False, True):
        if without:
            monkeypatch.setattr(engine, "gradient_norm", lambda *arguments: keras.ops.zeros(()))
        model, _, history = trained(keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
        weights.append([keras.ops.convert_to_numpy(weight) for weight in model.weights])
        assert (history["gradient_norm"] == [0.0]) is without
    for ours, plain in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, plain)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_two_replicas_log_that_of_the_global_batch(two_replicas):
    program = """
import keras, numpy as np
from tests.training.test_gradient_norm import trained
here = trained(keras.optimizers.SGD(0.01))[2]["gradient_norm"]
with mirrored.scope():
    there = trained(keras.optimizers.SGD(0.01))[2]["gradient_norm"]
np.testing.assert_allclose(there, here, rtol=1e-4)
"""
    assert two_replicas(program) is None
