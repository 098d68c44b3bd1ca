"""Tests of keras_ssl.data.LossReweighting."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.data import LossReweighting
from tests.data.selection.reference import gradients

STRATEGIES = ("linupper", "quadratic", "extremes")
LOSSES = np.array([0.2, 3.0, 1.1, 0.7, 2.4, 0.2])


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def reference(losses, strategy, delta, temperature):
    low, high = min(losses), max(losses)
    scores = []
    for loss in losses:
        h = (2 * delta * loss - delta * (high + low)) / (high - low)
        if strategy == "linupper":
            scores.append(min(h + delta, delta))
        elif strategy == "quadratic":
            scores.append(1 - h**2 / delta**2)
        else:
            scores.append(abs(h))
    weights = [math.exp(score / temperature) for score in scores]
    return np.array(weights) / sum(weights)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("delta", "temperature"), [(1.0, 1.0), (2.0, 0.4)])
def test_equals_the_reference(strategy, delta, temperature):
    layer = LossReweighting(strategy, delta, temperature)
    expected = reference(LOSSES, strategy, delta, temperature)
    found = numpy(layer.weights_at(keras.ops.array(LOSSES, "float32"), temperature))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.sum() == pytest.approx(1.0, abs=1e-6)
    assert float(layer(keras.ops.array(LOSSES, "float32"))) == pytest.approx(float(expected @ LOSSES), rel=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_losses_and_high_temperatures_give_the_plain_mean(strategy):
    equal = keras.ops.full((5,), 1.7)
    assert numpy(LossReweighting(strategy)(equal)) == pytest.approx(1.7)
    np.testing.assert_allclose(numpy(LossReweighting(strategy).weights_at(equal, 0.1)), 0.2, rtol=1e-6)
    for temperature in (1e7, math.inf):
        found = numpy(LossReweighting(strategy, temperature=temperature)(keras.ops.array(LOSSES, "float32")))
        assert found == pytest.approx(LOSSES.mean(), rel=1e-5)
    assert numpy(LossReweighting(strategy)(keras.ops.array([2.5]))) == pytest.approx(2.5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_carry_no_gradient(strategy):
    layer = LossReweighting(strategy, temperature=0.5)
    _, (gradient,) = gradients(lambda losses: layer(losses), LOSSES)
    np.testing.assert_allclose(gradient, reference(LOSSES, strategy, 1.0, 0.5), rtol=1e-5)
    _, (gradient,) = gradients(lambda losses: keras.ops.sum(keras.ops.square(layer.weights_at(losses, 0.5))), LOSSES)
    np.testing.assert_array_equal(gradient, 0.0)
    value, (gradient,) = gradients(lambda losses: layer(losses), np.zeros(4))
    assert value == 0.0
    np.testing.assert_allclose(gradient, 0.25)


def test_shapes_of_the_strategies():
    ramp = np.linspace(0.0, 1.0, 11)
    upper, middle, ends = (
        numpy(LossReweighting(strategy).weights_at(keras.ops.array(ramp, "float32"), 1.0)) for strategy in STRATEGIES
    )
    assert (np.diff(upper[:6]) > 0).all()
    np.testing.assert_allclose(upper[5:], upper[5], rtol=1e-5)
    assert middle.argmax() == 5
    np.testing.assert_allclose(middle, middle[::-1], rtol=1e-5)
    assert ends.argmin() == 5
    np.testing.assert_allclose(ends, ends[::-1], rtol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_shift_and_scale_change_nothing(strategy):
    layer = LossReweighting(strategy)
    plain = numpy(layer.weights_at(keras.ops.array(LOSSES, "float32"), 0.7))
    moved = numpy(layer.weights_at(keras.ops.array(5.0 * LOSSES - 3.0, "float32"), 0.7))
    np.testing.assert_allclose(plain, moved, rtol=1e-4)


def test_the_temperature_falls_with_training_calls_only():
    layer = LossReweighting(temperature=0.5, initial_temperature=2.5, annealing_steps=4)
    losses = keras.ops.array(LOSSES, "float32")
    for expected in (2.5, 2.0, 1.5, 1.0, 0.5, 0.5):
        layer(losses, training=False)
        found = numpy(layer(losses, training=True))
        assert found == pytest.approx(float(reference(LOSSES, "linupper", 1.0, expected) @ LOSSES), rel=1e-5)
    assert int(layer.steps.value) == 6 and layer.trainable_variables == []


def test_it_trains_and_counts_steps_in_fit():
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.reweighting = keras.layers.Dense(2), LossReweighting(temperature=0.5)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            losses = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
            return self.reweighting(losses, training=training)

    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    model = Classifier()
    model.compile(keras.optimizers.SGD(0.5))
    history = model.fit(x, (x[:, 0] > 0).astype("int32"), batch_size=8, epochs=6, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    assert int(model.reweighting.steps.value) == 24


def test_half_precision_is_computed_in_float32():
    losses = keras.ops.cast(keras.ops.array([1000.0, 2000.0, 3000.0]), "float16")
    found = LossReweighting()(losses)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = float(reference([1000.0, 2000.0, 3000.0], "linupper", 1.0, 1.0) @ [1000.0, 2000.0, 3000.0])
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_config_round_trip():
    layer = LossReweighting("extremes", 2.0, 0.3, 0.9, 7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.get_config()["annealing_steps"] == 7 and again.get_config()["initial_temperature"] == 0.9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strategy", "upper"),
        ("delta", 0.0),
        ("delta", float("nan")),
        ("delta", float("inf")),
        ("temperature", 0.0),
        ("temperature", float("nan")),
        ("initial_temperature", 0.5),
        ("initial_temperature", -1.0),
        ("annealing_steps", -1),
        ("annealing_steps", 0.5),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        LossReweighting(**{name: value})


def test_losses_must_be_a_vector():
    with pytest.raises(ValueError, match="Received: losses="):
        LossReweighting().weights_at(keras.ops.zeros((2, 3)), 1.0)
