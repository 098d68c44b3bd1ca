"""EnsLoss: derivatives that make a convex calibrated loss, whatever is drawn; its gradient; its randomness."""

import math

import keras
import numpy as np
import pytest

from keras_ssl.losses import EnsLoss, ens_loss, random_loss_derivatives
from tests.losses.robust.reference import to_numpy

MARGINS = np.array([0.3, -2.0, 1.7, 0.9, -0.4, 5.0, 1.0])


def slow(margins, draws, power):
    """Step by step as the paper has it, with a loop over the order of the margins."""
    sizes = [math.exp(r) if power == 0 else max(1 + power * r, 0) ** (1 / power) for r in draws]
    ascending = sorted(max(-size, -1.0) for size in sizes)
    g = [0.0] * len(margins)
    for place, sample in enumerate(sorted(range(len(margins)), key=lambda k: margins[k])):
        g[sample] = min(ascending[place], -1e-6)
        if margins[sample] > 1:
            g[sample] /= margins[sample]
    return np.array(g)


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_procedure(seed, power):
    draws = np.random.RandomState(seed).normal(size=len(MARGINS))
    found = to_numpy(random_loss_derivatives(MARGINS.astype("float32"), draws.astype("float32"), power))
    np.testing.assert_allclose(found, slow(MARGINS, draws, power), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("power", [-0.5, 0.0, 1.0])
def test_derivatives_make_a_convex_calibrated_loss(power):
    for seed in range(20):
        random = np.random.RandomState(seed)
        margins, draws = 2 * random.normal(size=30), 3 * random.normal(size=30)
        g = to_numpy(random_loss_derivatives(margins.astype("float32"), draws.astype("float32"), power))
        assert (g < 0).all() and (g >= -1).all()
        order = np.argsort(margins)
        order = order[margins[order] <= 1]
        assert (np.diff(g[order]) >= 0).all()


def test_the_tail_is_superlinear():
    draws = np.zeros(3, "float32")  # sizes of 1
    np.testing.assert_allclose(to_numpy(random_loss_derivatives([0.5, 2.0, 8.0], draws)), [-1, -0.5, -0.125], rtol=1e-6)


def test_gradient_is_the_derivative_over_the_batch_size(value_and_gradients):
    g = slow(MARGINS, np.random.RandomState(0).normal(size=7), 0.0)
    value, (by_z, by_g) = value_and_gradients(lambda z, d: keras.ops.mean(ens_loss(z, d)), MARGINS, g)
    assert value == pytest.approx(np.mean(g * MARGINS), rel=1e-6)
    np.testing.assert_allclose(by_z, g / 7, atol=1e-7)
    np.testing.assert_array_equal(by_g, 0.0)


def test_fixed_derivatives_of_the_logistic_loss_give_its_gradient(value_and_gradients):
    _, (found,) = value_and_gradients(lambda z: keras.ops.mean(ens_loss(z, -keras.ops.sigmoid(-z))), MARGINS)
    _, (logistic,) = value_and_gradients(lambda z: keras.ops.mean(keras.ops.softplus(-z)), MARGINS)
    np.testing.assert_allclose(found, logistic, atol=1e-7)


def test_gradient_by_the_logits_of_the_loss_object(value_and_gradients):
    """Its sign is minus that of the label, and it is at most 1 / B."""
    labels = np.array([0, 1, 1, 0, 1, 0, 1])
    loss = EnsLoss(seed=3)
    _, (found,) = value_and_gradients(lambda f: loss(labels, f), MARGINS[:, None], dtype="float32")
    assert (np.sign(found[:, 0]) == 1 - 2 * labels).all() and np.abs(found).max() <= 1 / 7 + 1e-6


def test_draws_change_with_predictions_and_seed_and_repeat_otherwise():
    labels = np.array([0, 1, 1, 0, 1, 0, 1])
    first = float(EnsLoss()(labels, MARGINS))
    assert float(EnsLoss()(labels, MARGINS)) == first
    assert float(EnsLoss(seed=1)(labels, MARGINS)) != first
    moved = MARGINS.copy()
    moved[0] += 1e-4
    assert abs(float(EnsLoss()(labels, moved)) - first) > 1e-3  # far more than the margin moved: other draws
    np.testing.assert_allclose(float(EnsLoss()(labels[:, None], MARGINS[:, None])), first, rtol=1e-6)


def test_draws_are_standard_normal_sizes():
    """Of the sizes `min(exp(r), 1)`, half are 1, and a share Phi(log s) is below s."""
    margins = np.random.RandomState(0).normal(size=4000).astype("float32") * 0.2 - 2.0
    tensor = keras.ops.convert_to_tensor(margins)
    if keras.backend.backend() == "jax":
        import jax

        g = jax.grad(lambda f: EnsLoss(reduction="sum")(np.ones(4000), f))(tensor)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = EnsLoss(reduction="sum")(np.ones(4000), tensor)
        g = tape.gradient(value, tensor)
    sizes = -to_numpy(g)
    for size in (0.2, 0.5, 0.9):
        expected = 0.5 * (1 + math.erf(math.log(size) / math.sqrt(2)))
        assert np.mean(sizes <= size) == pytest.approx(expected, abs=0.03)


def test_trains_by_compile_and_fit():
    keras.utils.set_random_seed(0)
    x = np.random.RandomState(0).normal(size=(128, 3)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype("int64")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), EnsLoss(seed=5))
    model.fit(x, y, batch_size=32, epochs=10, verbose=0)
    assert np.mean((model.predict(x, verbose=0)[:, 0] > 0) == y) > 0.93


def test_round_trip():
    loss = EnsLoss(power=0.5, seed=9, reduction="sum")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is EnsLoss and again.get_config() == loss.get_config()
    labels = np.array([0, 1, 1, 0, 1, 0, 1])
    assert float(again(labels, MARGINS)) == float(loss(labels, MARGINS))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EnsLoss(power=float("nan")), "Received: power=nan"),
        (lambda: EnsLoss(seed=-1), "Received: seed=-1"),
        (lambda: EnsLoss(seed=2**32), "Received: seed="),
        (lambda: EnsLoss()([0, 1], np.zeros((2, 2))), "Received: y_pred.shape="),
        (lambda: EnsLoss()(np.eye(2), np.zeros(2)), "Received: y_true.shape="),
        (lambda: EnsLoss()([-1, 1], np.zeros(2)), "Received: y_true="),
        (lambda: EnsLoss()([0.5, 1], np.zeros(2)), "Received: y_true="),
        (lambda: ens_loss(np.zeros(3), np.zeros(2)), "Received: derivatives.shape="),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
