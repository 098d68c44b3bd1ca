"""The attack on margins: its optimum for a linear classifier, its limits, and what it leaves alone."""

import keras
import numpy as np
import pytest

from keras_ssl.attacks import MarginAttack
from keras_ssl.losses import margin_change, smooth_adversarial_comp_sum_loss
from keras_ssl.training.functional import value_and_gradients

X = np.random.RandomState(0).uniform(0.3, 0.7, size=(6, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2])


def linear(seed=0, classes=3):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(classes)])


def change(model, moved):
    return np.asarray(margin_change(model(X), model(moved), Y), "float64")


def test_finds_the_optimum_of_a_linear_classifier():
    """The change is a convex function of the move, greatest at a corner: at the best of all sixteen, mostly."""
    model, epsilon = linear(), 0.1
    kernel = np.asarray(model.weights[0], "float64")
    corners = epsilon * np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1).T
    best = []
    for label in Y:
        rows = kernel[:, [label]] - kernel  # of d, by x
        best.append(max(np.linalg.norm(corner @ rows) for corner in corners))
    attack = MarginAttack(model, epsilon)
    found = np.max([change(model, attack(X, Y)) for _ in range(25)], axis=0)  # from random starts
    np.testing.assert_allclose(found, best, rtol=1e-3)


def test_two_classes_are_solved_in_one_run():
    """The margin's gradient is constant, so that each coordinate goes to its end, by either sign."""
    model = linear(classes=2)
    moved = MarginAttack(model, 0.05)(X, Y % 2)
    np.testing.assert_allclose(np.abs(moved - X), 0.05, atol=1e-6)


def test_stays_in_the_ball_and_in_the_range_and_changes_no_weight():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.layers.Input((4,)), *layers])
    before = [w.copy() for w in model.get_weights()]
    moved = MarginAttack(model, 0.5, steps=4, high=0.8)(X, Y)
    assert np.abs(moved - X).max() <= 0.5 + 1e-6 and moved.min() >= 0.0 and moved.max() <= 0.8
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    rng = np.random.RandomState(1)
    random = [
        change(model, np.clip(X + rng.uniform(-0.5, 0.5, size=X.shape), 0, 0.8).astype("float32")) for _ in range(20)
    ]
    assert change(model, moved).mean() > np.mean(random, axis=0).mean() * 1.2


def test_epsilon_0_returns_the_inputs():
    np.testing.assert_array_equal(MarginAttack(linear(), 0.0)(X, Y), X)


def test_sees_the_weights_as_they_are_now():
    """One attack serves all of training: after a change of the weights it attacks the changed model."""
    model, labels = linear(classes=2), Y % 2
    attack = MarginAttack(model, 0.1, seed=1)
    attack(X, labels)
    model.set_weights([np.eye(4, 2), np.zeros(2)])
    # The margin is now the difference of the first two coordinates: they go apart, the others stay.
    moved = attack(X, labels) - X
    np.testing.assert_allclose(np.abs(moved[:, :2]), 0.1, atol=1e-6)
    np.testing.assert_array_equal(np.sign(moved[:, 0]), -np.sign(moved[:, 1]))
    assert (np.abs(moved[:, 2:]) < 0.0999).any()


def test_batches_of_other_sizes_and_seeds():
    model = linear()
    for rows in (1, 3):
        assert MarginAttack(model, 0.1)(X[:rows], Y[:rows]).shape == (rows, 4)
    attack = MarginAttack(model, 0.1)
    assert attack(X[:2], Y[:2]).shape == (2, 4) and attack(X, Y).shape == (6, 4)
    again = [MarginAttack(model, 0.1, steps=1, step_size=1e-3, seed=s)(X, Y) for s in (0, 0, 1)]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])


def test_training_lowers_how_far_margins_can_be_moved():
    model = linear()
    attack, optimizer = MarginAttack(model, 0.1, steps=3), keras.optimizers.SGD(0.1)
    first = change(model, attack(X, Y)).mean()
    for _ in range(20):
        moved = attack(X, Y)

        def loss(moved=moved):
            return keras.ops.mean(smooth_adversarial_comp_sum_loss(model(X), model(moved), Y, nu=5.0))

        _, gradients = value_and_gradients(loss, model)
        optimizer.apply(gradients, model.trainable_variables)
    assert change(model, attack(X, Y)).mean() < 0.5 * first


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MarginAttack(keras.layers.Dense(3), 0.1), "model="),
        (lambda: MarginAttack(linear(), -0.1), "epsilon=-0.1"),
        (lambda: MarginAttack(linear(), float("nan")), "epsilon=nan"),
        (lambda: MarginAttack(linear(), 0.1, steps=0), "steps=0"),
        (lambda: MarginAttack(linear(), 0.1, step_size=0.0), "step_size=0.0"),
        (lambda: MarginAttack(linear(), 0.1, low=1.0), "low=1.0"),
        (lambda: MarginAttack(linear(), 0.1)(2 * X, Y), "x from"),
        (lambda: MarginAttack(linear(), 0.1)(np.full((1, 4), np.nan), Y[:1]), "x from"),
        (lambda: MarginAttack(linear(), 0.1)(X, Y + 1), "labels=3"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        call()
