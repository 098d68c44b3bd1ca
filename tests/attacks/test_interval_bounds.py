"""Interval bounds: exact for one layer, sound for all, and refused where nothing is known."""

import keras
import numpy as np
import pytest

from keras_ssl.attacks import IBPInitializer, bound_regularization, interval_bounds
from keras_ssl.layers import BatchNormalization

RNG = np.random.default_rng(0)


def array(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def randomized(*layers):
    model = keras.Sequential(list(layers))
    for variable in model.variables:
        positive = "variance" in variable.name
        variable.assign(RNG.uniform(0.3, 2, variable.shape) if positive else RNG.normal(size=variable.shape) * 0.7)
    return model


def networks():
    layers = keras.layers
    yield "dense", randomized(layers.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(3))
    yield (
        "convolution",
        randomized(
            layers.Input((6, 6, 2)),
            layers.Rescaling(-2.0, 0.3),
            layers.Conv2D(3, 3, strides=2, padding="same"),
            BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(4, 2, dilation_rate=2, activation="tanh", use_bias=False),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="sigmoid"),
        ),
    )
    inner = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Activation("relu")])
    yield (
        "pooling",
        randomized(
            layers.Input((8, 8, 1)),
            inner,
            layers.MaxPooling2D(),
            layers.ZeroPadding2D(1),
            layers.AveragePooling2D(2),
            layers.LeakyReLU(),
            layers.GlobalAveragePooling2D(),
            keras.layers.BatchNormalization(scale=False),
            layers.Dense(2),
        ),
    )


NETWORKS = dict(networks())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.3])
def test_no_point_of_the_ball_leaves_the_bounds(name, epsilon):
    model = NETWORKS[name]
    x = RNG.uniform(size=(3, *model.input_shape[1:])).astype("float32")
    lower, upper = (array(part) for part in interval_bounds(model, x, epsilon))
    assert np.all(upper >= lower)
    for number in range(60):
        change = RNG.uniform(-1, 1, x.shape) if number % 2 else RNG.choice([-1, 1], x.shape)
        out = array(model((x + epsilon * change).astype("float32"), training=False))
        assert np.all(out >= lower - 1e-4) and np.all(out <= upper + 1e-4)
    if epsilon == 0:
        np.testing.assert_allclose(lower, array(model(x)), atol=1e-5)
        np.testing.assert_allclose(upper, array(model(x)), atol=1e-5)


def test_a_dense_layer_is_exact():
    model = randomized(keras.layers.Input((5,)), keras.layers.Dense(3))
    w, b = model.get_weights()
    x = RNG.normal(size=(4, 5)).astype("float32")
    lower, upper = (array(part) for part in interval_bounds(model, x, 0.2))
    radius = np.abs(w).sum(axis=0) * 0.2
    np.testing.assert_allclose(lower, x @ w + b - radius, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(upper, x @ w + b + radius, rtol=1e-5, atol=1e-5)
    # Both are reached, at a corner of the ball.
    corner = model((x + 0.2 * np.sign(w[:, 0])).astype("float32"))
    np.testing.assert_allclose(array(corner)[:, 0], upper[:, 0], rtol=1e-5, atol=1e-5)


def test_the_ball_is_cut_to_valid_inputs():
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.ReLU()])
    lower, upper = interval_bounds(model, np.array([[0.1, 0.95]]), 0.3, (0.0, 1.0))
    np.testing.assert_allclose(array(lower), [[0.0, 0.65]], atol=1e-6)
    np.testing.assert_allclose(array(upper), [[0.4, 1.0]], atol=1e-6)


def test_a_functional_chain_is_taken_and_a_branch_is_not():
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    straight = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    lower, upper = interval_bounds(straight, np.ones((1, 3), "float32"), 0.0)
    np.testing.assert_allclose(array(lower), array(straight(np.ones((1, 3), "float32"))), atol=1e-5)
    branched = keras.Model(inputs, keras.layers.Add()([hidden, keras.layers.Dense(4)(hidden)]))
    with pytest.raises(ValueError, match="Received: model="):
        interval_bounds(branched, np.ones((1, 3)), 0.1)


@pytest.mark.parametrize("depth", [4])
def test_the_initializer_keeps_bounds_as_wide_as_they_are(depth):
    layers = [keras.layers.Input((256,))]
    layers += [
        keras.layers.Dense(256, activation="relu", kernel_initializer=IBPInitializer(seed=k)) for k in range(depth)
    ]
    model = keras.Sequential(layers)
    lower, upper = (array(part) for part in interval_bounds(model, RNG.normal(size=(2, 256)), 1.0))
    assert 0.5 < (upper - lower).mean() / 2 < 1.3
    weights = array(IBPInitializer(seed=3)((3, 3, 40, 64)))
    assert weights.std() == pytest.approx(np.sqrt(2 * np.pi) / 360, rel=0.02)
    again = keras.initializers.deserialize(keras.initializers.serialize(IBPInitializer(seed=3)))
    np.testing.assert_array_equal(array(again((4, 5))), array(IBPInitializer(seed=3)((4, 5))))


def slow_penalties(radius, before, tau):
    tight, balance = 0.0, 0.0
    for lower, upper in before:
        center, width = (lower + upper) / 2, np.mean(upper - lower) / 2
        tight += max(0, tau - radius.mean() / width) / tau
        positive, negative = lower > 0, upper < 0
        a, b = center[positive].sum(), -center[negative].sum()
        deviation = (center - center.mean()) ** 2
        c, d = deviation[positive].sum(), deviation[negative].sum()
        for one, two in ((a, b), (c, d)):
            ratio = min(one, two) / max(one, two) if max(one, two) > 0 else 1.0
            balance += max(0, tau - ratio) / tau
    return tight / len(before), balance / len(before)


@pytest.mark.parametrize("tau", [0.5, 0.9])
def test_penalties_equal_the_formula(tau):
    radius = RNG.uniform(0, 0.4, (5, 3))
    before = []
    for shift in (-0.5, 0.2, 3.0):
        center, width = RNG.normal(size=(4, 6)) + shift, RNG.uniform(0, 1, (4, 6))
        before.append((center - width, center + width))
    found = [float(part) for part in bound_regularization(radius, before, tau)]
    np.testing.assert_allclose(found, slow_penalties(radius, before, tau), rtol=1e-4)
    assert all(part > 0 for part in found)


def test_penalties_are_zero_where_bounds_do_not_grow_and_relus_are_balanced():
    center = np.array([[1.0, -1.0, 2.0, -2.0]])
    radius = np.full((1, 4), 0.25)
    tight, balance = bound_regularization(radius, [(center - 0.25, center + 0.25), (center - 0.5, center + 0.5)])
    assert float(tight) == 0.0 and float(balance) == 0.0
    wider, _ = bound_regularization(radius, [(center - 1.0, center + 1.0)])
    assert float(wider) == pytest.approx(0.5)
    _, all_active = bound_regularization(radius, [(np.abs(center) - 0.2, np.abs(center) + 0.2)])
    assert float(all_active) == pytest.approx(2.0)
    for empty in (bound_regularization(radius, []), bound_regularization(0 * radius, [(0 * center, 0 * center)])):
        assert [float(part) for part in empty] == [0.0, 0.0]


@pytest.mark.parametrize("case", ["usual", "nothing active", "points"])
def test_penalties_have_a_finite_gradient(case, value_and_gradients):
    center, radius = RNG.normal(size=(2, 6)), np.full((2, 6), 0.3)
    if case == "nothing active":
        center = 0 * center
    if case == "points":
        radius = 0 * radius

    def penalty(c, r):
        return sum(bound_regularization(0.1 * keras.ops.ones(3), [(c - r, c + r)]))

    _, gradients = value_and_gradients(penalty, center, radius, dtype="float32")
    assert all(np.isfinite(part).all() for part in gradients)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: interval_bounds(m, np.ones((1, 5)), -0.1), "Received: epsilon=-0.1"),
        (lambda m: interval_bounds(m, np.ones((1, 5)), np.nan), "Received: epsilon=nan"),
        (lambda m: interval_bounds(m, np.ones((1, 5)), np.inf), "Received: epsilon=inf"),
        (lambda m: interval_bounds(m, np.ones((1, 5)), 0.1, (1, 0)), "Received: value_range="),
        (lambda m: interval_bounds(None, np.ones((1, 5)), 0.1), "Received: model=None"),
        (lambda m: bound_regularization(np.ones(2), [], 0.0), "Received: tolerance=0.0"),
        (lambda m: bound_regularization(np.ones(2), [], np.inf), "Received: tolerance=inf"),
        (lambda m: IBPInitializer()((3,)), r"Received: shape=\(3,\)"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call(NETWORKS["dense"])


@pytest.mark.parametrize("layer", [keras.layers.LayerNormalization(), keras.layers.Dense(2, activation="gelu")])
def test_refuses_layers_without_known_bounds(layer):
    model = keras.Sequential([keras.layers.Input((3,)), layer])
    with pytest.raises(ValueError, match="Received: model with layer"):
        interval_bounds(model, np.ones((1, 3)), 0.1)
