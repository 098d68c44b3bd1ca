"""Certified training: its loss against loops, the schedule, verified errors, files."""

import keras
import numpy as np
import pytest

from keras_ssl.attacks import IBPTraining, bound_regularization, interval_bounds, verified_error

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(12, 5)).astype("float32"), np.arange(12) % 3


def network(norm=False, width=4):
    layers = [keras.layers.Input((5,)), keras.layers.Dense(width)]
    layers += [keras.layers.BatchNormalization()] if norm else []
    return keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(3)])


def trained_loss(model):
    """The loss of one step without any change of weights."""
    model.compile(keras.optimizers.SGD(0.0))
    return model.fit(X, Y, batch_size=12, epochs=1, shuffle=False, verbose=0).history


@pytest.mark.parametrize("norm", [False, True])
def test_epsilon_zero_is_cross_entropy(norm):
    net = network(norm)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = float(entropy(Y, net(X, training=True)))
    history = trained_loss(IBPTraining(net, 0.0))
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert history["robust_loss"][0] == pytest.approx(expected, rel=1e-4)


def slow_margins(net, x, y, epsilon):
    w, b, v, c = (part.astype("float64") for part in net.get_weights())
    low, high = np.clip(x - epsilon, 0, 1).astype("float64"), np.clip(x + epsilon, 0, 1).astype("float64")
    center, radius = (low + high) / 2, (high - low) / 2
    hidden, spread = center @ w + b, radius @ np.abs(w)
    low, high = np.maximum(hidden - spread, 0), np.maximum(hidden + spread, 0)
    result = np.zeros((len(x), 3))
    for n, label in enumerate(y):
        for k in range(3):
            if k != label:
                d = v[:, k] - v[:, label]
                result[n, k] = c[k] - c[label] + sum(d[i] * (high if d[i] > 0 else low)[n, i] for i in range(len(d)))
    return result, (hidden - spread, hidden + spread), radius


def test_loss_equals_loops_and_adds_penalties_during_the_ramp():
    net = network()
    w, _, *rest = net.get_weights()
    net.set_weights([4 * w, np.full(4, 0.7), *rest])  # bounds grow, and most units are active
    margins, before, radius = slow_margins(net, X, Y, 0.1)
    robust = np.mean(np.log(np.exp(margins).sum(axis=1)))
    assert trained_loss(IBPTraining(net, 0.1, ramp_steps=0))["loss"][0] == pytest.approx(robust, rel=1e-4)
    model = IBPTraining(net, 0.2, ramp_steps=4, warmup_steps=1, regularization=0.7)
    model.steps.assign(3)  # halfway
    history = trained_loss(model)
    penalties = sum(float(part) for part in bound_regularization(radius, [before]))
    assert penalties > 0
    assert history["loss"][0] == pytest.approx(robust + 0.7 * 0.5 * penalties, rel=1e-4)
    assert history["robust_loss"][0] == pytest.approx(robust, rel=1e-4)
    assert history["distance"][0] == pytest.approx(0.1)
    wrong = [(np.delete(row, label) > 0).any() for row, label in zip(margins, Y, strict=True)]
    assert history["verified_error"][0] == pytest.approx(np.mean(wrong))


def test_distance_waits_and_then_grows_linearly():
    model = IBPTraining(network(), 0.4, ramp_steps=4, warmup_steps=2)
    model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(X, Y, batch_size=12, epochs=9, verbose=0).history
    np.testing.assert_allclose(history["distance"], [0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4], atol=1e-6)
    assert int(model.steps) == 9
    assert model.evaluate(X, Y, return_dict=True, verbose=0)["distance"] == pytest.approx(0.4)
    assert int(model.steps) == 9


def test_margins_through_the_last_layer_are_tighter_than_those_of_the_logits():
    net = network(width=16)
    model = IBPTraining(net, 0.1)
    margins = np.asarray(keras.ops.convert_to_numpy(model.margins(X, Y, 0.1)[0]))
    lower, upper = (np.asarray(keras.ops.convert_to_numpy(part)) for part in interval_bounds(net, X, 0.1, (0, 1)))
    loose = upper - np.take_along_axis(lower, Y[:, None], axis=1)
    others = np.arange(3)[None] != Y[:, None]
    assert np.all(margins[others] < loose[others]) and np.all(margins[~others] == 0)
    # A network that ends in an activation has only the loose ones.
    ended = keras.Sequential([keras.layers.Input((5,)), net, keras.layers.Activation("linear")])
    found = np.asarray(keras.ops.convert_to_numpy(IBPTraining(ended, 0.1).margins(X, Y, 0.1)[0]))
    np.testing.assert_allclose(found[others], loose[others], rtol=1e-4, atol=1e-5)


def test_no_attack_succeeds_on_verified_samples():
    net = network(width=8)
    model = IBPTraining(net, 0.05, ramp_steps=30)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(X, (X[:, 0] > 0.5).astype(int), batch_size=12, epochs=60, verbose=0)
    labels = (X[:, 0] > 0.5).astype(int)
    errors = [verified_error(model, X, labels, epsilon, batch_size=5) for epsilon in (0.0, 0.02, 0.05, 0.9)]
    assert errors == sorted(errors) and errors[-1] == 1.0
    clean = np.mean(np.argmax(net.predict(X, verbose=0), axis=1) != labels)
    assert errors[0] == pytest.approx(clean)
    for _ in range(50):
        attacked = np.clip(X + 0.05 * RNG.choice([-1, 1], X.shape), 0, 1).astype("float32")
        found = np.mean(np.argmax(np.asarray(keras.ops.convert_to_numpy(net(attacked))), axis=1) != labels)
        assert found <= errors[2]


def test_training_lowers_the_verified_error_and_moves_batch_statistics_once():
    net = network(norm=True, width=16)
    labels = (X[:, 0] > 0.5).astype(int)
    before = verified_error(net, X, labels, 0.02)
    model = IBPTraining(net, 0.02, ramp_steps=20, regularization=0.1)
    model.compile(keras.optimizers.Adam(0.02), metrics=["accuracy"])
    history = model.fit(X, labels, batch_size=12, epochs=60, verbose=0).history
    assert verified_error(net, X, labels, 0.02) < before and "accuracy" in history
    once = network(norm=True)
    moving = once.layers[1].moving_mean
    hidden = X @ once.get_weights()[0]
    trained_loss(IBPTraining(once, 0.1))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(moving), 0.01 * hidden.mean(axis=0), rtol=1e-3)


def test_file(tmp_path):
    model = IBPTraining(network(norm=True), 0.1, 7, 3, 0.25, 0.4, None)
    trained_loss(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for name in ("epsilon", "ramp_steps", "warmup_steps", "regularization", "tolerance", "value_range"):
        assert getattr(again, name) == getattr(model, name)
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)
    assert int(again.steps) == 1


def test_sample_weights():
    net, weights = network(), RNG.uniform(size=12).astype("float32")
    model = IBPTraining(net, 0.1, ramp_steps=0)
    model.compile(keras.optimizers.SGD(0.0))
    found = model.evaluate(X, Y, sample_weight=weights, batch_size=12, return_dict=True, verbose=0)["loss"]
    losses = np.log(np.exp(slow_margins(net, X, Y, 0.1)[0]).sum(axis=1))
    assert found == pytest.approx(np.sum(weights * losses) / weights.sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": -0.1}, "Received: epsilon=-0.1"),
        ({"epsilon": np.nan}, "Received: epsilon=nan"),
        ({"ramp_steps": -1}, "Received: ramp_steps=-1"),
        ({"warmup_steps": 0.5}, "Received: warmup_steps=0.5"),
        ({"regularization": -1}, "Received: regularization=-1"),
        ({"regularization": np.inf}, "Received: regularization=inf"),
        ({"tolerance": 0}, "Received: tolerance=0"),
        ({"value_range": (0, np.nan)}, "Received: value_range="),
        ({"network": keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(1)])}, "with output shape"),
        (
            {"network": keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3, activation="gelu")])},
            "Received: model with layer",
        ),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        IBPTraining(**{"network": network(), "epsilon": 0.1, **options})


def test_verified_error_refuses():
    for change, message in (({"y": Y[:3]}, "12 inputs, 3 labels"), ({"epsilon": -1}, "epsilon=-1")):
        with pytest.raises(ValueError, match=message):
            verified_error(**{"model": network(), "x": X, "y": Y, "epsilon": 0.1, **change})
