import json

import keras
import numpy as np
import pytest

from keras_ssl.optimizers.lars import LARS

RNG = np.random.default_rng(0)
SHAPES = [(3, 3, 2, 4), (4,), (5, 3), ()]
WEIGHTS = [RNG.normal(size=shape).astype("float32") for shape in SHAPES]
GRADIENTS = [[RNG.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(5)]


def reference(weights, gradients, lr, momentum=0.9, weight_decay=1e-6, eta=1e-3, clip=False, nesterov=False):
    """LARS in float64, one weight at a time, in the order of the PyTorch implementations."""
    weights = [w.astype("float64") for w in weights]
    buffers = [np.zeros_like(w) for w in weights]
    for step, grads in enumerate(gradients):
        rate = lr(step) if callable(lr) else lr
        for i, g in enumerate(grads):
            d = g.astype("float64")
            if weights[i].ndim >= 2:
                d = d + weight_decay * weights[i]
                w_norm, d_norm = np.sqrt((weights[i] ** 2).sum()), np.sqrt((d**2).sum())
                ratio = 1.0
                if w_norm > 0 and d_norm > 0:
                    ratio = eta * w_norm / d_norm
                    if clip:
                        ratio = min(ratio / rate, 1.0)
                d = ratio * d
            buffers[i] = momentum * buffers[i] + d
            weights[i] = weights[i] - rate * (d + momentum * buffers[i] if nesterov else buffers[i])
    return weights


def applied(optimizer, weights=WEIGHTS, gradients=GRADIENTS):
    """The weights after one step for each list of gradients, taken the way `fit` takes them."""
    variables = [keras.Variable(w) for w in weights]
    optimizer.build(variables)
    values, state = [v.value for v in variables], [v.value for v in optimizer.variables]
    for grads in gradients:
        grads = [keras.ops.convert_to_tensor(g) for g in grads]
        if keras.backend.backend() == "jax":
            values, state = optimizer.stateless_apply(state, grads, values)
        else:
            optimizer.apply(grads, variables)
    return [keras.ops.convert_to_numpy(v) for v in values]


def assert_equal(actual, expected, atol=2e-6):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=atol)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nesterov": True},
        {"eta": 0.02, "clip": True},
        {"eta": 5.0, "clip": True},  # so large that the ceiling holds
        {"weight_decay": 0.1, "momentum": 0.0},
        {"weight_decay": 0.0, "momentum": 0.5, "nesterov": True},
        {"eta": 0.02, "clip": True, "nesterov": True, "weight_decay": 1e-2},
    ],
)
def test_five_steps_equal_a_numpy_loop(options):
    assert_equal(applied(LARS(0.3, **options)), reference(WEIGHTS, GRADIENTS, 0.3, **options))


def test_one_step_in_closed_form():
    # |w| = 5 and |d| = 10, so ratio = 0.1 * 5 / 10, and the step is 2 * 0.05 * d.
    [w] = applied(LARS(2.0, eta=0.1, weight_decay=0.0), [np.float32([[3, 4]])], [[np.float32([[6, 8]])]])
    np.testing.assert_allclose(w, [[2.4, 3.2]], rtol=1e-6)


def test_decay_enters_the_gradient_once_and_before_the_ratio():
    # Without a gradient d = wd * w, whatever wd is the ratio turns it into eta * w.
    [w] = applied(LARS(1.0, eta=0.1, weight_decay=0.7), [np.float32([[3, 4]])], [[np.zeros((1, 2), "float32")]])
    np.testing.assert_allclose(w, [[2.7, 3.6]], rtol=1e-6)


@pytest.mark.parametrize("clip", [False, True])
def test_zero_norms_give_ratio_one_and_no_nan(clip):
    zero, ones = np.zeros((2, 2), "float32"), np.ones((2, 2), "float32")
    options = {"eta": 0.1, "weight_decay": 0.0, "clip": clip}
    [from_zero] = applied(LARS(0.5, **options), [zero], [[ones]])
    np.testing.assert_allclose(from_zero, -0.5 * ones, rtol=1e-6)
    [no_gradient] = applied(LARS(0.5, **options), [ones], [[zero]])
    np.testing.assert_array_equal(no_gradient, ones)
    [neither] = applied(LARS(0.5, **options), [zero], [[zero]])
    np.testing.assert_array_equal(neither, zero)


def test_vectors_and_scalars_take_plain_momentum_steps():
    small = [np.float32([1, 2]), np.float32(3)]
    grads = [[np.float32([10, 20]), np.float32(30)]] * 2
    w = applied(LARS(0.1, momentum=0.5, weight_decay=10.0, eta=1e-9), small, grads)
    np.testing.assert_allclose(w[0], np.float32([1, 2]) - 0.1 * np.float32([25, 50]), rtol=1e-6)
    np.testing.assert_allclose(w[1], 3 - 0.1 * 75, rtol=1e-6)


@pytest.mark.parametrize("clip", [False, True])
def test_a_schedule_that_begins_at_zero(clip):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 4, 0.4)
    expected = reference(WEIGHTS, GRADIENTS[:1], 1e-30, clip=clip)
    assert_equal(applied(LARS(schedule, clip=clip), gradients=GRADIENTS[:1]), expected)
    assert np.isfinite(np.concatenate([w.ravel() for w in applied(LARS(schedule, clip=clip))])).all()
    if not clip:  # NumPy's loop divides by the rate
        assert_equal(applied(LARS(schedule)), reference(WEIGHTS, GRADIENTS, lambda k: 0.1 * min(k, 4)))


def test_norms_do_not_overflow_in_float16():
    weight = keras.Variable(np.full((200, 200), 2.0), dtype="float16")  # sum of squares: 160,000
    gradient = keras.ops.full((200, 200), 4.0, dtype="float16")
    LARS(1.0, eta=0.5, weight_decay=0.0).apply([gradient], [weight])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), 1.0, rtol=1e-3)


def test_gradient_accumulation_and_clipping_are_those_of_the_base_class():
    halves = [[0.5 * g for g in grads] for grads in GRADIENTS[:2] for _ in range(2)]
    doubled = [[0.5 * g for g in grads] for grads in GRADIENTS[:2]]
    assert_equal(applied(LARS(0.3, gradient_accumulation_steps=2), gradients=halves), reference(WEIGHTS, doubled, 0.3))
    clipped = [[g * min(1.0, 0.1 / np.sqrt((g**2).sum())) for g in grads] for grads in GRADIENTS]
    assert_equal(applied(LARS(0.3, clipnorm=0.1)), reference(WEIGHTS, clipped, 0.3))


def test_under_a_loss_scale_optimizer():
    optimizer = keras.optimizers.LossScaleOptimizer(LARS(0.3), initial_scale=64.0)
    scaled = [[64.0 * g for g in grads] for grads in GRADIENTS]
    assert_equal(applied(optimizer, gradients=scaled), reference(WEIGHTS, GRADIENTS, 0.3))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_equals_numpy(jit_compile):
    # A linear model with squared error has a gradient that NumPy writes down.
    x, y = RNG.normal(size=(8, 4)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    model.compile(LARS(0.5, eta=0.1, weight_decay=0.01), loss="mse", jit_compile=jit_compile)
    model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    weights, buffers = [kernel, bias], [0.0, 0.0]
    for _ in range(3):
        error = 2.0 * (x @ weights[0] + weights[1] - y) / y.size
        d = x.T @ error + 0.01 * weights[0]
        d *= 0.1 * np.linalg.norm(weights[0]) / np.linalg.norm(d)
        buffers = [0.9 * buffers[0] + d, 0.9 * buffers[1] + error.sum(0)]
        weights = [w - 0.5 * b for w, b in zip(weights, buffers, strict=True)]
    assert_equal(model.get_weights(), weights, atol=1e-5)


def test_sparse_gradients_of_an_embedding():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow yields sparse gradients")
    import tensorflow as tf

    weight = np.float32([[3, 0], [0, 4], [0, 0]])
    sparse = tf.IndexedSlices(tf.constant([[6.0, 0.0], [0.0, 8.0]]), tf.constant([0, 1]), (3, 2))
    variable = keras.Variable(weight)
    LARS(2.0, eta=0.1, weight_decay=0.0).apply([sparse], [variable])
    np.testing.assert_allclose(variable.numpy(), 0.8 * weight, rtol=1e-6)


def test_config_round_trip_and_saved_state(tmp_path):
    schedule = keras.optimizers.schedules.CosineDecay(0.3, 100)
    optimizer = LARS(schedule, 0.8, 1e-4, 0.02, True, True, clipnorm=1.0, name="mine")
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is LARS
    assert again.get_config() == optimizer.get_config()
    assert again.weight_decay is None  # what the base class would apply on top
    assert again.get_config()["weight_decay"] == 1e-4
    assert keras.optimizers.get(config).get_config() == optimizer.get_config()

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile(LARS(0.5), loss="mse")
    x, y = RNG.normal(size=(8, 4)), RNG.normal(size=(8, 2))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


@pytest.mark.parametrize(
    "name, value",
    [("momentum", 1.0), ("momentum", -0.1), ("weight_decay", -1.0), ("weight_decay", None), ("eta", 0.0)],
)
def test_rejects_values_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        LARS(**{name: value})


def test_rejects_nesterov_without_momentum_and_exclusion_by_name():
    with pytest.raises(ValueError, match="Received: momentum=0.0"):
        LARS(momentum=0.0, nesterov=True)
    with pytest.raises(ValueError, match="fewer than two dimensions"):
        LARS().exclude_from_weight_decay(var_names=["bias"])


TWO_REPLICAS = """
import numpy as np, keras
from keras_ssl.layers.batch_normalization import BatchNormalization
from keras_ssl.optimizers.lars import LARS

x = np.random.default_rng(0).normal(2.0, 3.0, (16, 6)).astype("float32")
y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")


def weights(strategy):
    with strategy.scope():
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(5, use_bias=False, kernel_initializer="ones")(inputs)
        hidden = keras.layers.Dense(4, kernel_initializer="identity")(BatchNormalization()(hidden))
        model = keras.Model(inputs, keras.layers.Dense(2, kernel_initializer="identity")(hidden))
        model.compile(LARS(0.5, eta=0.05, weight_decay=0.01, nesterov=True), loss="mse")
    model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()


one = weights(tf.distribute.get_strategy())
two = weights(mirrored)
for a, b in zip(one, two):
    np.testing.assert_allclose(a, b, atol=2e-5)
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_two_replicas_equal_one(two_replicas):
    """With the layer that synchronizes statistics."""
    assert two_replicas(TWO_REPLICAS) is None
