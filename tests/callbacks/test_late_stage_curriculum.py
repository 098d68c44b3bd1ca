import keras
import numpy as np
import pytest

from keras_ssl.callbacks import LateStageCurriculum
from keras_ssl.data import DataMixture
from keras_ssl.schedules import WarmupCosine
from tests.callbacks.small_regression import Rates, X, Y, regression


class PlainAnneal(keras.callbacks.Callback):
    """From step 8 on a line down to 0 at step 20."""

    def on_train_batch_begin(self, batch, logs=None):
        optimizer = self.model.optimizer
        optimizer.learning_rate = 0.1 * min(1.0, (20 - int(optimizer.iterations)) / 12)


def mixture(proportions=(3, 1)):
    return DataMixture([(X[:24], Y[:24]), (X[24:], Y[24:])], proportions, steps_per_epoch=5, batch_size=8)


def run(model, data, callbacks, epochs=4):
    rates = Rates()
    model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks, rates])
    return rates.rates


def test_a_constant_rate_is_annealed_from_the_switch_to_the_end():
    data = mixture()
    rates = run(regression(), data, [LateStageCurriculum(data, (1, 3), 8, 18, final=0.01)])
    expected = [0.1] * 9 + [0.1 * (1 - p / 10) + 0.01 * p / 10 for p in range(1, 11)] + [0.01]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_a_schedule_is_annealed_from_where_it_is():
    data, base = mixture(), WarmupCosine(0.2, 40, 4)
    rates = run(regression(keras.optimizers.SGD(base)), data, [LateStageCurriculum(data, (1, 3), 8, 18)])
    held = float(base(8))
    expected = [float(base(k)) for k in range(9)] + [held * (1 - p / 10) for p in range(1, 11)] + [0.0]
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-8)


def test_the_rate_is_what_the_optimizer_uses():
    """Once it is zero, nothing moves; and a model trained before by another schedule uses the new one."""
    data = mixture()
    model = regression(keras.optimizers.SGD(WarmupCosine(0.2, 40, 4)))
    model.fit(data, epochs=1, shuffle=False, verbose=0)
    late = LateStageCurriculum(data, (1, 3), 6, 10)
    model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[late])
    weights = model.get_weights()
    model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[late])
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_mix_changes_at_the_switch():
    data = mixture()
    LateStageCurriculum(data, (1, 3), 8, 18)
    second = [int(np.sum(data.draws(k // 5)[0].reshape(5, 8)[k % 5])) for k in range(20)]
    assert second == [2] * 8 + [6] * 12


def test_with_the_same_mix_it_is_a_plain_anneal():
    weights = []
    for late in (True, False):
        data, model = mixture(), regression()
        if late:
            run(model, data, [LateStageCurriculum(data, (6, 2), 8, 20)])
        else:
            run(model, data, [PlainAnneal()])
        weights.append(model.get_weights())
    for ours, plain in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-6)


@pytest.mark.parametrize(
    "bad",
    [
        {"data": np.zeros(3)},
        {"proportions": (1,)},
        {"proportions": (0, 0)},
        {"switch_step": -1},
        {"switch_step": 20},
        {"total_steps": 0},
        {"total_steps": float("nan")},
        {"final": -0.1},
        {"final": float("inf")},
    ],
)
def test_rejects_values_out_of_range(bad):
    name = next(iter(bad))
    arguments = {"data": mixture(), "proportions": (1, 3), "switch_step": 8, "total_steps": 20} | bad
    with pytest.raises(ValueError, match=f"(?s)`{name}`.*Received: {name}="):
        LateStageCurriculum(**arguments)
