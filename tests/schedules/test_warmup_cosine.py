import json

import keras
import numpy as np
import pytest

from keras_ssl.schedules.warmup_cosine import WarmupCosine


def reference(k, peak, total, warmup=0, start=0.0, final=0.0):
    if k < warmup:
        return start + (peak - start) * k / warmup
    p = min((k - warmup) / (total - warmup), 1.0)
    return final + (peak - final) * (1.0 + np.cos(np.pi * p)) / 2.0


@pytest.mark.parametrize("options", [{}, {"warmup": 10}, {"warmup": 10, "start": 0.05, "final": 0.01}])
def test_every_step_equals_the_formula(options):
    schedule = WarmupCosine(0.4, 40, options.get("warmup", 0), options.get("start", 0.0), options.get("final", 0.0))
    actual = [float(schedule(k)) for k in range(60)]
    np.testing.assert_allclose(actual, [reference(k, 0.4, 40, **options) for k in range(60)], atol=1e-7)


def test_landmarks():
    schedule = WarmupCosine(1.0, 110, warmup_steps=10, start=0.2, final=0.1)
    at = {k: float(schedule(k)) for k in (0, 5, 10, 60, 110, 10_000_000)}
    expected = {0: 0.2, 5: 0.6, 10: 1.0, 60: 0.55, 110: 0.1, 10_000_000: 0.1}
    assert at == pytest.approx(expected, abs=1e-6)


def test_is_a_float32_scalar_of_an_integer_variable():
    step = keras.Variable(3, dtype="int32", trainable=False)
    rate = WarmupCosine(1.0, 10, 5)(step)
    assert tuple(rate.shape) == () and keras.backend.standardize_dtype(rate.dtype) == "float32"
    assert float(rate) == pytest.approx(0.6)


def test_drives_an_optimizer():
    optimizer = keras.optimizers.SGD(WarmupCosine(1.0, 4, 2))
    weight = keras.Variable(0.0)
    trail = []
    for _ in range(5):
        optimizer.apply([keras.ops.convert_to_tensor(-1.0)], [weight])
        trail.append(float(weight))
    np.testing.assert_allclose(np.diff([0.0, *trail]), [0.0, 0.5, 1.0, 0.5, 0.0], atol=1e-6)


def test_config_round_trip():
    schedule = WarmupCosine(0.4, 100, 10, 0.01, 0.002)
    config = json.loads(json.dumps(keras.optimizers.schedules.serialize(schedule)))
    again = keras.optimizers.schedules.deserialize(config)
    assert type(again) is WarmupCosine
    assert again.get_config() == schedule.get_config()
    optimizer = keras.optimizers.SGD.from_config(keras.optimizers.SGD(schedule).get_config())
    assert float(optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"total_steps": 0},
        {"total_steps": 1.5},
        {"warmup_steps": 10},
        {"warmup_steps": -1},
        {"start": -0.1},
        {"final": -0.1},
    ],
)
def test_rejects_values_out_of_range(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        WarmupCosine(**({"peak": 1.0, "total_steps": 10} | bad))
