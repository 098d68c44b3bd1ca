"""AdamW with a schedule of weight decay: loops in float64, its limit, and what Keras does with it."""

import keras
import numpy as np
import pytest

from keras_ssl.optimizers import ScheduledDecayAdamW
from keras_ssl.schedules import WarmupCosine
from tests.optimizers.stepping import adam, applied, assert_close, numbers


def cosine(start, final, total, step):
    return final + (start - final) * (1 + np.cos(np.pi * min(step / total, 1.0))) / 2


def test_fifty_steps_equal_loops():
    weights, gradients = numbers()
    rates, decays = WarmupCosine(0.02, 50, final=1e-3), WarmupCosine(0.04, 40, final=0.9)
    optimizer = ScheduledDecayAdamW(rates, decays, beta_1=0.8, beta_2=0.95, epsilon=1e-6)
    found = applied(optimizer, weights, gradients)
    expected = []
    for place, weight in enumerate(weights):
        w, m, v = weight.astype("float64"), 0.0, 0.0
        for step, grads in enumerate(gradients):
            rate, decay = cosine(0.02, 1e-3, 50, step), cosine(0.04, 0.9, 40, step)
            w = w - rate * decay * w
            m, v, direction = adam(m, v, grads[place].astype("float64"), step + 1, 0.8, 0.95, 1e-6)
            w = w - rate * direction
        expected.append(w)
    assert_close(found, expected)


def test_a_constant_decay_is_the_adamw_of_keras():
    weights, gradients = numbers(steps=10)
    reference = applied(keras.optimizers.AdamW(0.01, weight_decay=0.3), weights, gradients)
    for decay in (0.3, WarmupCosine(0.3, 10, final=0.3)):
        assert_close(applied(ScheduledDecayAdamW(0.01, decay), weights, gradients), reference, atol=1e-6)


def test_what_is_excluded_does_not_shrink():
    variables = [keras.Variable(np.ones(3, "float32"), name=name) for name in ("kernel", "bias")]
    optimizer = ScheduledDecayAdamW(0.1, WarmupCosine(0.5, 10, final=1.0))
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([keras.ops.zeros(3)] * 2, variables)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variables[0]), 0.95, rtol=1e-6)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variables[1]), 1.0)


def test_config_keeps_the_schedule():
    for decay in (0.2, WarmupCosine(0.04, 100, 10, final=0.4)):
        optimizer = ScheduledDecayAdamW(1e-3, decay, clipnorm=1.0)
        copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
        assert type(copy) is ScheduledDecayAdamW and copy.get_config() == optimizer.get_config()
        assert float(copy.weight_decay) == pytest.approx(float(optimizer.weight_decay))


def test_trains_within_fit_and_goes_on_after_a_file(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(32, 3)), np.zeros((32, 1))

    def made():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        model.compile(ScheduledDecayAdamW(0.05, WarmupCosine(0.1, 16, final=2.0)), "mse")
        return model

    whole, half = made(), made()
    whole.fit(x, y, epochs=4, batch_size=8, shuffle=False, verbose=0)
    half.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    half.save(tmp_path / "half.keras")
    half = keras.models.load_model(tmp_path / "half.keras")
    assert float(half.optimizer.weight_decay) == pytest.approx(cosine(0.1, 2.0, 16, 8), rel=1e-5)
    half.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(whole.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": -1.0},
        {"learning_rate": np.nan},
        {"weight_decay": -0.1},
        {"weight_decay": np.nan},
        {"weight_decay": np.inf},
        {"weight_decay": None},
        {"weight_decay": keras.optimizers.schedules.ExponentialDecay(-0.1, 1, 0.5)},
        {"weight_decay": keras.optimizers.schedules.ExponentialDecay(np.nan, 1, 0.5)},
        {"beta_1": 1.0},
        {"beta_2": np.nan},
        {"epsilon": 0.0},
        {"clipnorm": np.nan},
        {"gradient_accumulation_steps": 1},
    ],
)
def test_refuses(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}"):
        ScheduledDecayAdamW(**options)
