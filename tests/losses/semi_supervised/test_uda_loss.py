"""The loss of UDA and the annealing of its labels: loops in float64, limits, gradients."""

import keras
import numpy as np
import pytest

from keras_ssl.losses import signal_threshold, uda_loss
from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws


def soft(row):
    e = np.exp(row - row.max())
    return e / e.sum()


@pytest.mark.parametrize(("temperature", "threshold"), [(0.4, 0.5), (1.0, 0.0), (2.0, 0.6)])
def test_equals_the_reference(temperature, threshold):
    weak, strong = 2 * draws(8, 3), draws(8, 3, seed=1)
    found, confident = (np.asarray(part) for part in uda_loss(weak, strong, temperature, threshold))
    for w, s, loss, mask in zip(weak.astype("float64"), strong.astype("float64"), found, confident, strict=True):
        target, q = soft(w / temperature), soft(s)
        used = soft(w).max() >= threshold
        assert mask == used
        assert loss == pytest.approx(used * sum(target * (np.log(target) - np.log(q))), rel=1e-4, abs=1e-6)


def test_the_same_view_without_sharpening_costs_nothing():
    weak = draws(6, 4)
    np.testing.assert_allclose(uda_loss(weak, weak, 1.0, 0.0)[0], 0.0, atol=1e-6)


def test_a_low_temperature_is_a_pseudo_label():
    weak, strong = draws(6, 4), draws(6, 4, seed=1)
    sharp, hard = uda_loss(weak, strong, 1e-3, 0.4), pseudo_label_loss(weak, strong, 0.4)
    np.testing.assert_allclose(sharp[0], hard[0], rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(sharp[1]), np.asarray(hard[1]))


def test_no_gradient_of_masked_samples_nor_of_the_weak_view():
    weak, strong = np.array([[9.0, 0, 0], [0.1, 0, 0]], "float32"), draws(2, 3)
    _, (of_weak, of_strong) = differentiate(lambda w, s: keras.ops.sum(uda_loss(w, s)[0]), weak, strong)
    assert not np.any(of_weak) and np.any(of_strong[0]) and not np.any(of_strong[1])


@pytest.mark.parametrize("schedule", ["linear", "log", "exp"])
def test_signal_threshold_rises(schedule):
    times = np.linspace(0, 1, 11)
    found = np.array([float(signal_threshold(t, 5, schedule)) for t in times])
    share = {"linear": times, "log": 1 - np.exp(-5 * times), "exp": np.exp(5 * (times - 1))}[schedule]
    np.testing.assert_allclose(found, share * 0.8 + 0.2, rtol=1e-5)
    assert np.all(np.diff(found) > 0) and found[0] < 0.21 and found[-1] > 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: uda_loss(x, x, temperature=0.0), "Received: temperature=0.0"),
        (lambda x: uda_loss(x, x, temperature=float("nan")), "Received: temperature=nan"),
        (lambda x: uda_loss(x, x, threshold=1.2), "Received: threshold=1.2"),
        (lambda x: signal_threshold(0.5, 1), "Received: classes=1"),
        (lambda x: signal_threshold(0.5, 3, "cosine"), "Received: schedule='cosine'"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(draws(2, 3))
