import json

import keras
import numpy as np
import pytest

from keras_ssl.optimizers import CO2, LARS, state_bytes_per_weight
from tests.optimizers.stepping import adam, applied, assert_close, compiled_step, numbers

WEIGHTS, GRADIENTS = numbers([(4, 3), (5,), ()])


def stacked(weights, gradients, workers, seed=1):
    """Equal weights and unequal gradients for several workers."""
    rng = np.random.default_rng(seed)
    weights = [np.repeat(w[None], workers, axis=0) for w in weights]
    gradients = [
        [(g[None] + rng.normal(size=(workers, *g.shape))).astype("float32") for g in grads] for grads in gradients
    ]
    return weights, gradients


def reference(
    weights, gradients, lr, period, rate=1.0, momentum=0.5, clip=None, penalty=True, delay=True, use_adam=False
):
    """In float64, worker after worker: rounds as the docstring tells them."""
    result = []
    for number, stack in enumerate(weights):
        workers = [w.astype("float64") for w in stack]
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in workers]
        m, launched, begins = np.zeros_like(workers[0]), None, [workers[0].copy()]
        for step, grads in enumerate(gradients):
            for k in range(len(workers)):
                g = grads[number][k].astype("float64")
                if use_adam:
                    m_k, v_k, g = adam(*moments[k], g, step + 1, 0.9, 0.999, 1e-7)
                    moments[k] = (m_k, v_k)
                workers[k] = workers[k] - lr * g
            if (step + 1) % period:
                continue
            now = sum(workers) / len(workers)
            if delay:
                if launched is None:
                    way, gap = np.zeros_like(m), 1.0
                else:
                    way = begins[-2] - launched
                    gap = 1 + np.linalg.norm(begins[-1] - begins[-2]) / np.linalg.norm(way)
                launched = now
            else:
                way, gap = begins[-1] - now, 1.0
            m = momentum * m + (way / gap if penalty else way)
            if clip is not None:
                m = np.minimum(np.maximum(m, -clip), clip)
            begins.append(begins[-1] - rate * m)
            workers = [begins[-1].copy() for _ in workers]
        result.append(np.stack(workers))
    return result


@pytest.mark.parametrize(
    "options",
    [
        {"period": 4},
        {"period": 3, "rate": 0.7, "momentum": 0.8, "penalty": False},
        {"period": 5, "clip": 0.05},
        {"period": 1, "momentum": 0.2, "delay": False},
        {"period": 6, "use_adam": True, "momentum": 0.0},
    ],
)
def test_fifty_steps_of_four_workers_equal_a_numpy_loop(options):
    weights, gradients = stacked(WEIGHTS, GRADIENTS, 4)
    inner = keras.optimizers.Adam(0.02) if options.get("use_adam") else keras.optimizers.SGD(0.02)
    optimizer = CO2(
        inner,
        options["period"],
        options.get("rate", 1.0),
        options.get("momentum", 0.5),
        options.get("clip"),
        options.get("penalty", True),
        options.get("delay", True),
        workers=4,
    )
    assert_close(applied(optimizer, weights, gradients), reference(weights, gradients, 0.02, **options))


@pytest.mark.parametrize(
    "make", [lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=1.0), lambda: LARS(0.3, weight_decay=0.1)]
)
def test_one_worker_without_delay_is_the_inner_optimizer(make):
    optimizer = CO2(make(), period=1, outer_momentum=0.0, delay=False)
    assert_close(applied(optimizer, WEIGHTS, GRADIENTS), applied(make(), WEIGHTS, GRADIENTS), atol=1e-6)


def test_a_period_without_momentum_changes_nothing_for_one_worker():
    optimizer = CO2(keras.optimizers.Adam(0.01), period=7, outer_momentum=0.0, delay=False)
    expected = applied(keras.optimizers.Adam(0.01), WEIGHTS, GRADIENTS)
    assert_close(applied(optimizer, WEIGHTS, GRADIENTS), expected, atol=1e-6)


def test_identical_workers_are_one_worker():
    gradients = [[np.repeat(g[None], 3, axis=0) for g in grads] for grads in GRADIENTS]
    weights = [np.repeat(w[None], 3, axis=0) for w in WEIGHTS]
    many = applied(CO2(keras.optimizers.Adam(0.01), 4, workers=3), weights, gradients)
    one = applied(CO2(keras.optimizers.Adam(0.01), 4), WEIGHTS, GRADIENTS)
    assert_close(many, [np.repeat(w[None], 3, axis=0) for w in one], atol=1e-6)


def test_the_average_comes_one_round_late():
    begins = []
    weights, gradients = [np.float32([0.0])], [[np.float32([g])] for g in (1, 10, 100, 1000)]
    optimizer = CO2(keras.optimizers.SGD(1.0), 1, outer_momentum=0.0, gap_penalty=False)
    applied(optimizer, weights, gradients, after=lambda step, values: begins.append(float(values[0][0])))
    assert begins == [0.0, -1.0, -11.0, -111.0]


def test_the_gap_halves_a_way_that_repeats():
    # d = 1 at every round; the start has moved by what was applied: gap = 1 + s, s = 1 / gap.
    begins = [0.0]
    optimizer = CO2(keras.optimizers.SGD(1.0), 1, outer_momentum=0.0)
    gradients = [[np.float32([1.0])]] * 30
    applied(optimizer, [np.float32([0.0])], gradients, after=lambda step, v: begins.append(float(v[0][0])))
    assert begins[2] == -1.0  # nothing has moved when the first average arrives
    np.testing.assert_allclose(begins[-2] - begins[-1], (np.sqrt(5) - 1) / 2, rtol=1e-4)


def test_the_clip_binds():
    optimizer = CO2(keras.optimizers.SGD(1.0), 2, clip=0.01)
    last = [w.copy() for w in WEIGHTS]

    def check(step, values):
        if step % 2:
            for place, value in enumerate(values):
                assert np.abs(value - last[place]).max() <= 0.01 + 1e-6
                last[place] = value

    applied(optimizer, WEIGHTS, GRADIENTS[:10], after=check)
    assert max(np.abs(a - b).max() for a, b in zip(last, WEIGHTS, strict=True)) > 0.03


def test_simulated_workers_on_a_quadratic_converge():
    targets = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    x = keras.Variable(np.zeros((4, 6), "float32"))
    optimizer = CO2(keras.optimizers.SGD(0.1), 4, workers=4)
    step = compiled_step(optimizer, [x])
    for _ in range(160):
        step([keras.ops.convert_to_tensor(x) - targets])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(x), np.repeat(targets.mean(0)[None], 4, 0), atol=2e-3)


def test_fit_saves_and_goes_on(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5), keras.layers.Dense(2)])
    inner = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.05, 100), weight_decay=0.01)
    model.compile(CO2(inner, 2, gradient_accumulation_steps=2), loss="mse")
    x, y = np.random.default_rng(0).normal(size=(16, 6)), np.random.default_rng(1).normal(size=(16, 2))
    history = model.fit(x, y, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for model_ in (model, again):
        model_.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0)
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_state_and_config_round_trip():
    optimizer = CO2(
        keras.optimizers.SGD(0.3, momentum=0.9, clipnorm=2.0), 3, 0.9, 0.4, 0.1, False, True, 2, name="mine"
    )
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is CO2 and again.get_config() == optimizer.get_config()
    assert again.clipnorm == 2.0 and abs(float(again.learning_rate) - 0.3) < 1e-6
    again.build([keras.Variable(np.zeros((2, 10), "float32"))])
    assert state_bytes_per_weight(again) == 4 + 12 / 2


@pytest.mark.parametrize(
    "name, value",
    [("period", 0), ("outer_learning_rate", -1.0), ("outer_momentum", 1.0), ("clip", 0.0), ("clip", float("nan"))]
    + [("workers", 0)],
)
def test_rejects(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        CO2(**{name: value})


def test_rejects_an_inner_optimizer_that_does_not_fit():
    for inner in (
        keras.optimizers.SGD(use_ema=True),
        keras.optimizers.SGD(gradient_accumulation_steps=2),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
    ):
        with pytest.raises(ValueError, match="`optimizer` must not be built.*Received: optimizer="):
            CO2(inner)
    with pytest.raises(ValueError, match="Received: workers=3"):
        CO2(workers=3).build([keras.Variable(np.zeros((2, 3)))])
