import keras
import numpy as np
import pytest

from keras_ssl.layers import SelfTuningDense
from keras_ssl.training import SelfTuningNetwork

RNG = np.random.default_rng(0)
X, X_VAL = RNG.normal(size=(12, 1)).astype("float32"), RNG.normal(size=(40, 1)).astype("float32")
# The slope of the training data is too high, so that some shrinkage is best.
Y, Y_VAL = 1.5 * X + 0.3 * RNG.normal(size=X.shape).astype("float32"), 1.0 * X_VAL


def ridge(start=2.0, **options):
    """`0.5 ||y - x w||^2 + 0.5 decay w^2`, whose best response is `x.y / (x.x + decay)`."""
    inputs = [keras.Input((1,)), keras.Input((1,))]
    layer = SelfTuningDense(1, use_bias=False)
    network = keras.Model(inputs, layer(inputs))

    def training_loss(y, outputs, values, h):
        weight = layer.weights_at(h)[0][0, 0]
        return 0.5 * keras.ops.sum((y - outputs) ** 2) + 0.5 * values["decay"] * weight**2

    options = {"optimizer": keras.optimizers.Adam(0.02), "draws": 8, **options}
    validation_loss = options.pop("validation_loss", lambda y, outputs: 0.5 * keras.ops.mean((y - outputs) ** 2))
    return SelfTuningNetwork(network, {"decay": start}, training_loss, validation_loss, **options), layer


def response(decay):
    x, y = X[:, 0].astype("float64"), Y[:, 0].astype("float64")
    return x @ y / (x @ x + decay)


def weight_at(layer, hyper):
    return float(layer.weights_at(np.float32([hyper]))[0][0, 0])


def test_the_learned_response_of_a_ridge_regression():
    tuner, layer = ridge(sigma=0.3)
    for _ in range(600):
        tuner.training_step(X, Y)
    center = np.log(2.0)
    assert weight_at(layer, center) == pytest.approx(response(2.0), rel=0.02)
    slope = (response(np.exp(center + 0.3)) - response(np.exp(center - 0.3))) / 0.6
    learned = (weight_at(layer, center + 0.3) - weight_at(layer, center - 0.3)) / 0.6
    assert learned == pytest.approx(slope, rel=0.15) and slope < -0.05


def test_the_usual_optimizer_of_hyperparameters():
    tuner, _ = ridge()
    assert isinstance(tuner.hyper_optimizer, keras.optimizers.Adam)
    assert float(tuner.hyper_optimizer.learning_rate) == pytest.approx(0.01)


def test_the_hyperparameter_finds_the_grid_s_optimum():
    tuner, _ = ridge(0.3, hyper_optimizer=keras.optimizers.Adam(0.02), sigma=0.3, tune_sigma=False)
    history = tuner.fit((X, Y), (X_VAL, Y_VAL), rounds=500, warm_up=200)
    grid = np.exp(np.linspace(-3, 5, 400))
    losses = [((Y_VAL - X_VAL * response(decay)) ** 2).mean() for decay in grid]
    best = grid[int(np.argmin(losses))]
    assert abs(np.log(np.mean(history["decay"][-50:])) - np.log(best)) < 0.25 and best > 1.0
    assert tuner.predict(X_VAL).shape == (40, 1)
    assert history["validation_loss"][-1] < history["validation_loss"][0]


def test_each_step_changes_its_own_variables_only():
    tuner, _ = ridge()
    state = lambda: [keras.ops.convert_to_numpy(v) for v in tuner.network.trainable_variables]  # noqa: E731
    before, hyper, sigma = state(), tuner.hyper.copy(), tuner.sigma.copy()
    tuner.training_step(X, Y)
    np.testing.assert_array_equal(tuner.hyper, hyper)
    np.testing.assert_array_equal(tuner.sigma, sigma)
    assert any((a != b).any() for a, b in zip(state(), before, strict=True))
    before = state()
    tuner.validation_step(X_VAL, Y_VAL)
    for a, b in zip(state(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert tuner.sigma[0] != sigma[0]
    tuner.validation_step(X_VAL, Y_VAL)
    assert tuner.hyper[0] != hyper[0]


def test_the_entropy_pulls_sigma_up_at_the_rate_of_its_weight():
    def flat(y, outputs):
        return keras.ops.sum(0.0 * outputs)

    rate = keras.optimizers.SGD(0.5)
    tuner, _ = ridge(validation_loss=flat, hyper_optimizer=rate, entropy_weight=0.2, sigma=0.4)
    tuner.validation_step(X_VAL, Y_VAL)
    assert tuner.sigma[0] == pytest.approx(0.4 * np.exp(0.5 * 0.2), rel=1e-5)
    assert tuner.hyper[0] == pytest.approx(np.log(2.0), rel=1e-6)


def test_transforms():
    inputs = [keras.Input((2,)), keras.Input((3,))]
    network = keras.Model(inputs, SelfTuningDense(1)(inputs))
    seen = {}

    def training_loss(y, outputs, values, h):
        seen.update(values)
        return keras.ops.mean(outputs)

    start = {"decay": 0.1, "rate": 0.3, "shift": -2.0}
    kinds = {"rate": "sigmoid", "shift": "linear"}
    tuner = SelfTuningNetwork(network, start, training_loss, lambda y, o: keras.ops.mean(o), kinds)
    assert tuner.values == pytest.approx(start, rel=1e-5)
    np.testing.assert_allclose(tuner.hyper, [np.log(0.1), np.log(0.3 / 0.7), -2.0], rtol=1e-5)
    tuner.training_step(np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))
    assert set(seen) == set(start)


@pytest.mark.parametrize(
    "name, value",
    [("sigma", 0.0), ("sigma", float("nan")), ("entropy_weight", -1.0), ("entropy_weight", float("inf")), ("draws", 0)]
    + [("seed", -1), ("transforms", {"decay": "log"}), ("transforms", {"other": "exp"})],
)
def test_rejects(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        ridge(**{name: value})


def test_rejects_networks_hyperparameters_and_numbers_of_steps():
    tuner, _ = ridge()
    network, loss = tuner.network, lambda *args: 0.0
    with pytest.raises(ValueError, match="`network`.*Received: network="):
        SelfTuningNetwork(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), {"a": 1.0}, loss, loss)
    for bad in ({}, {"a": 1.0, "b": 1.0}):
        with pytest.raises(ValueError, match="`hyperparameters`.*Received: hyperparameters="):
            SelfTuningNetwork(network, bad, loss, loss)
    for value in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`a` must be a finite number greater than 0. Received: a="):
            SelfTuningNetwork(network, {"a": value}, loss, loss)
    for name, value in (("rounds", 0), ("training_steps", 0), ("validation_steps", 1.5), ("batch_size", 0)):
        with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
            tuner.fit((X, Y), (X_VAL, Y_VAL), **{"rounds": 1, name: value})
    with pytest.raises(ValueError, match="`warm_up`.*Received: warm_up=-1"):
        tuner.fit((X, Y), (X_VAL, Y_VAL), rounds=1, warm_up=-1)
