import keras
import numpy as np
import pytest

from keras_ssl.callbacks import AutoLRS
from keras_ssl.schedules import LinearDecay
from tests.callbacks.small_regression import Rates, X, Y, arrays, regression, trained
from tests.callbacks.tiny_run import tiny, vectors


class Kept(keras.callbacks.Callback):
    """Notes the state of a run at each beginning of a batch, after the callbacks before it."""

    def __init__(self):
        super().__init__()
        self.states = []

    def on_train_batch_begin(self, batch, logs=None):
        self.states.append(arrays(self.model))


def assert_equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def without_rate(model, state):
    """A state without the variable of the learning rate, the one thing that a trial sets."""
    count = len(model.variables)
    names = [variable.name for variable in model.optimizer.variables]
    kept = [array for name, array in zip(names, state[count:], strict=True) if name != "learning_rate"]
    assert len(kept) == len(names) - 1
    return state[:count] + kept


@pytest.mark.parametrize(
    "optimizer", [lambda: keras.optimizers.SGD(0.1, momentum=0.9), lambda: keras.optimizers.Adam(0.1)]
)
@pytest.mark.parametrize("validated", [True, False])
def test_a_trial_leaves_no_trace(optimizer, validated):
    validation = (lambda model: model.evaluate(X, Y, verbose=0)) if validated else None
    search, kept, model = AutoLRS(1e-3, 1.0, 6, 4, 3, validation=validation), Kept(), regression(optimizer())
    trained(model, epochs=6, callbacks=[search, kept])  # 36 batches: two stages of 3 * 4 + 6
    assert [len(stage["rates"]) for stage in search.history] == [3, 3]
    for stage in (0, 18):
        first = without_rate(model, kept.states[stage])
        for trial in (4, 8, 12):
            assert_equal(without_rate(model, kept.states[stage + trial]), first)
        # In between it trains.
        assert not np.array_equal(kept.states[stage + 2][0], first[0])
    assert not np.array_equal(kept.states[18][0], kept.states[12][0])


def test_the_rates_of_trials_and_stages():
    search, rates = AutoLRS(1e-3, 1.0, 6, 4, 3), Rates()
    trained(regression(), epochs=6, callbacks=[search, rates])
    expected = [
        rate for stage in search.history for rate in [*np.repeat(stage["rates"], 4), *np.repeat(stage["chosen"], 6)]
    ]
    np.testing.assert_allclose(rates.rates, expected, rtol=1e-6)
    for stage in search.history:
        assert stage["chosen"] == stage["rates"][int(np.argmin(stage["forecasts"]))]


def test_steps_that_count_are_a_run_with_the_chosen_rate():
    """The weights after one stage are those of plain SGD on the last batches."""
    search, model = AutoLRS(1e-3, 0.5, 12, 4, 3), regression()
    trained(model, epochs=4, callbacks=[search])
    plain = regression(keras.optimizers.SGD(search.history[0]["chosen"]))
    trained(plain, epochs=2)  # the trials took the first 12 batches: two epochs of the same order
    assert_equal(model.get_weights(), plain.get_weights())
    assert int(model.optimizer.iterations) == 12


def test_logs_are_of_the_steps_that_count():
    search, model = AutoLRS(1e-3, 0.5, 12, 4, 3), regression()
    logged = trained(model, epochs=4, callbacks=[search])["loss"]
    plain = trained(regression(keras.optimizers.SGD(search.history[0]["chosen"])), epochs=2)["loss"]
    np.testing.assert_allclose(logged[2:], plain, rtol=1e-5)


def test_an_epoch_that_ends_within_trials_logs_only_its_own_steps():
    search, model = AutoLRS(1e-3, 0.5, 9, 4, 3), regression()
    logged = trained(model, epochs=6, callbacks=[search])["loss"]  # steps 12 to 20 and 33 to 35 count
    plain, losses = regression(), []
    for place in (*range(12, 21), *range(33, 36)):
        plain.optimizer.learning_rate = search.history[0 if place < 21 else 1]["chosen"]
        rows = slice(8 * (place % 6), 8 * (place % 6) + 8)
        plain.reset_metrics()
        losses.append(float(np.reshape(plain.train_on_batch(X[rows], Y[rows]), -1)[0]))
    assert_equal(model.get_weights(), plain.get_weights())
    assert logged[2] == pytest.approx(np.mean(losses[:6]), rel=1e-5)
    assert logged[5] == pytest.approx(np.mean(losses[9:]), rel=1e-5)


def test_losses_of_a_trial_are_those_of_its_batches():
    search = AutoLRS(1e-12, 1e-11, 100, 11, 3)
    trained(regression(), epochs=2, callbacks=[search])  # the second trial has seen one batch
    assert search._losses == pytest.approx([np.mean(Y[40:48] ** 2)], rel=1e-5)
    search = AutoLRS(1e-12, 1e-11, 100, 20, 3)
    trained(regression(), epochs=2, callbacks=[search])
    expected = [np.mean(Y[8 * (k % 6) : 8 * (k % 6) + 8] ** 2) for k in range(12)]
    assert search._losses == pytest.approx(expected, rel=1e-5)


def test_an_objective_of_this_library_is_put_back_too():
    """With its queue, its counters and the seeds of its dropout."""
    search, kept, model = AutoLRS(1e-4, 1e-2, 4, 3, 2), Kept(), tiny()
    model.fit(vectors(), batch_size=8, epochs=3, verbose=0, callbacks=[search, kept])  # 12 batches of 10 of a stage
    first = without_rate(model, kept.states[0])
    for trial in (3, 6):
        assert_equal(without_rate(model, kept.states[trial]), first)
    assert len(search.history) == 1 and int(model.step) == 4


@pytest.mark.parametrize("curvature", [0.5, 20.0])
def test_on_a_quadratic_bowl_the_rate_is_near_one_over_its_curvature(curvature):
    # loss = (root(h) * w - root(h)) ** 2 / 2 ... Keras' mean squared error has no half.
    x = np.full((64, 1), np.sqrt(curvature / 2.0), "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    search = AutoLRS(
        0.01 / curvature,
        4.0 / curvature,
        stage_steps=6,
        trial_steps=4,
        candidates=12,
        validation=lambda model: np.mean((x @ model.get_weights()[0] - x) ** 2),
    )
    model.fit(x, x, batch_size=1, epochs=1, verbose=0, callbacks=[search])
    assert 0.7 / curvature < search.history[0]["chosen"] < 1.4 / curvature


@pytest.mark.parametrize("arguments", [(1e-2, 1.0, 6, 4, 1), (0.1, 0.1, 6, 4, 5)])
def test_one_candidate_is_a_constant_rate(arguments):
    search, model, plain = AutoLRS(*arguments), regression(), regression(keras.optimizers.SGD(0.1))
    losses = trained(model, epochs=3, callbacks=[search])["loss"]
    np.testing.assert_allclose(losses, trained(plain, epochs=3)["loss"], rtol=1e-6)
    assert [stage["chosen"] for stage in search.history] == pytest.approx([0.1] * 3)


def test_a_run_that_ends_within_the_trials_is_put_back():
    search, model = AutoLRS(1e-3, 1.0, 6, 4, 9), regression(keras.optimizers.Adam(0.1))
    trained(model, callbacks=[search])
    assert_equal(model.get_weights(), regression().get_weights())
    assert int(model.optimizer.iterations) == 0 and search.history == []


def test_rates_that_diverge_are_not_chosen():
    search = AutoLRS(1e-3, 1e30, 6, 4, 5)
    trained(regression(), epochs=5, callbacks=[search])
    assert np.isinf(search.history[0]["forecasts"]).any()
    assert search.history[0]["chosen"] < 10.0


def forecast(losses, before=None, steps=100):
    """What the callback forecasts from the losses of a trial."""
    search = AutoLRS(1e-3, 1.0, steps, len(losses), validation=None if before is None else lambda model: 0.0)
    search._losses, search._measured, search._before = list(losses), list(range(1, len(losses) + 1)), before
    return search._forecast()


def test_forecasts():
    t = np.arange(1.0, 21.0)
    falling = 2.0 * np.exp(-0.2 * t) + 0.5
    assert forecast(falling) == pytest.approx(0.5, abs=1e-6) and forecast(falling, 2.4) == pytest.approx(0.5, abs=1e-6)
    # A line goes on as an exponential that falls by no less than a factor of e within the trial.
    slope, end = np.polyfit(np.exp(-t / 19.0), 2.0 - 0.05 * t, 1)
    assert forecast(2.0 - 0.05 * t, 2.0) == pytest.approx(slope * np.exp(-100.0 / 19.0) + end, abs=1e-4)
    # A loss that rises stays where it is.
    assert forecast(falling, 2.0) == falling[-1]
    assert forecast(falling[::-1]) == pytest.approx(falling[:6].mean())
    assert forecast([1.0, float("nan"), 1.0]) == float("inf")


def test_stages_grow_up_to_the_longest():
    search = AutoLRS(1e-3, 1.0, 6, 3, 2, longest=25)
    trained(regression(), epochs=20, callbacks=[search])  # 12, 24, then 48 batches
    assert (search.stage_steps, search.trial_steps) == (24, 12)
    assert len(search.history) == 4  # 36 batches are left, and the trials take 24


def test_rejects_optimizers_and_models_that_it_cannot_steer():
    with pytest.raises(ValueError, match="`learning_rate`.*Received: learning_rate=LinearDecay"):
        trained(regression(keras.optimizers.SGD(LinearDecay(0.1, 9))), callbacks=[AutoLRS(1e-3, 1.0)])
    with pytest.raises(ValueError, match="Received: steps_per_execution=2"):
        trained(regression(steps_per_execution=2), callbacks=[AutoLRS(1e-3, 1.0)])


@pytest.mark.parametrize(
    "bad",
    [
        {"low": 0.0},
        {"low": float("nan")},
        {"low": 2.0},
        {"high": float("inf")},
        {"stage_steps": 0},
        {"trial_steps": 2},
        {"candidates": 0},
        {"longest": 5},
        {"validation": 3},
        {"kappa": -1.0},
    ],
)
def test_rejects_values_out_of_range(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        AutoLRS(**({"low": 1e-3, "high": 1.0, "stage_steps": 10} | bad))
