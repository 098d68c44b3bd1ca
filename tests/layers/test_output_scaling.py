import keras
import numpy as np
import pytest

from keras_ssl.layers import OutputScaling

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")


def network(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(2)])


def trained(alpha, steps=30, rate=0.1):
    model = OutputScaling(network(), alpha)
    model.compile(keras.optimizers.SGD(rate), "mse")
    start = [w.copy() for w in model.network.get_weights()]
    history = model.fit(X, Y, batch_size=16, epochs=steps, shuffle=False, verbose=0).history["loss"]
    return model, start, history


def distance(model, start):
    return np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(model.network.get_weights(), start, strict=True)))


def test_zero_at_the_start_and_scaled_differences_later():
    net = network()
    model = OutputScaling(net, 5.0)
    np.testing.assert_array_equal(model.predict(X, verbose=0), np.zeros((16, 2)))
    before = net.predict(X, verbose=0)
    net.set_weights([w + 0.1 for w in net.get_weights()])
    np.testing.assert_allclose(
        model.predict(X, verbose=0), 5.0 * (net.predict(X, verbose=0) - before), rtol=1e-4, atol=1e-5
    )


def test_a_step_in_closed_form():
    """For a linear network: the loss is `mean (alpha X (W - W_0) - Y)^2 / alpha^2`."""
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model = OutputScaling(net, 4.0)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    w = w0 = net.get_weights()[0].astype("float64")
    losses = []
    for _ in range(3):
        error = 4.0 * X @ (w - w0) - Y
        losses.append((error**2).mean() / 16.0)
        w = w - 0.1 * 2 * 4.0 * X.T @ error / error.size / 16.0
    history = model.fit(X, Y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(history, losses, rtol=1e-4)
    np.testing.assert_allclose(net.get_weights()[0], w, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.initial.get_weights()[0], w0.astype("float32"))


def test_weights_move_like_one_over_alpha_and_the_output_like_the_linearized_network():
    runs = {alpha: trained(alpha) for alpha in (10.0, 100.0)}
    moved = {alpha: distance(model, start) for alpha, (model, start, _) in runs.items()}
    assert moved[10.0] / moved[100.0] == pytest.approx(10.0, rel=0.05)
    # The linearized network gives the same losses for every alpha; the two nearly agree, and the rich one does not.
    losses = {alpha: np.array(history) * alpha**2 for alpha, (_, _, history) in runs.items()}
    np.testing.assert_allclose(losses[10.0], losses[100.0], rtol=0.02)
    rich = np.array(trained(0.3)[2]) * 0.3**2
    assert np.abs(rich - losses[100.0]).max() > 10 * np.abs(losses[10.0] - losses[100.0]).max()


def test_saving(tmp_path):
    model, _, _ = trained(3.0, steps=2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is OutputScaling and again.alpha == 3.0
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)
    assert not again.initial.trainable_variables and len(again.trainable_variables) == 4


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf"), None, True])
def test_rejects_alpha(alpha):
    with pytest.raises(ValueError, match=f"`alpha`.*Received: alpha={alpha}"):
        OutputScaling(network(), alpha)


@pytest.mark.parametrize("bad", [None, keras.Sequential([keras.layers.Dense(1)]), keras.layers.Dense(1)])
def test_rejects_networks(bad):
    with pytest.raises(ValueError, match="`network` must be.*Received: network="):
        OutputScaling(bad)
