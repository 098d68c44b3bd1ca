import keras
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from keras_ssl.losses.bipartite_matching import bipartite_matching


def matched(weights):
    return keras.ops.convert_to_numpy(bipartite_matching(weights))


def on_xla(weights):
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.jit(bipartite_matching)(weights))
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None), tf.float32)]
    plain = tf.function(bipartite_matching, input_signature=signature)(weights).numpy()
    xla = tf.function(bipartite_matching, jit_compile=True)(tf.constant(weights)).numpy()
    np.testing.assert_array_equal(plain, xla)
    return xla


def total(weights, match):
    return weights.astype("float64")[np.arange(len(weights)), match].sum()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_equals_scipy(count):
    for seed in range(4):
        weights = np.random.default_rng(seed).normal(size=(count, count)).astype("float32")
        np.testing.assert_array_equal(matched(weights), linear_sum_assignment(weights, maximize=True)[1])


@pytest.mark.parametrize("count", [12, 40, 128])
def test_compiled_equals_scipy_on_random_similarities(count):
    # Cosines of few dimensions: many columns compete, and nearly every row needs a search.
    for seed in range(2):
        rows, columns = np.random.default_rng(seed).normal(size=(2, count, 3))
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, columns)]
        weights = (unit[0] @ unit[1].T).astype("float32")
        found = on_xla(weights)
        best = linear_sum_assignment(weights, maximize=True)[1]
        assert sorted(found) == list(range(count))
        assert total(weights, found) == pytest.approx(total(weights, best), abs=1e-5)


def test_recovers_a_permutation():
    rng = np.random.default_rng(0)
    frame = rng.normal(size=(20, 8)).astype("float32")
    order = rng.permutation(20)
    np.testing.assert_array_equal(matched(frame @ frame[order].T)[order], np.arange(20))


def test_the_greedy_pair_is_given_up_where_the_sum_gains():
    assert matched(np.array([[0.9, 0.8], [0.8, 0.1]], "float32")).tolist() == [1, 0]


@pytest.mark.slow
def test_ties_still_give_a_permutation():
    for weights in (np.zeros((9, 9)), np.ones((9, 1)) * np.arange(9.0), np.eye(9)[:, ::-1] * 2):
        found = matched(weights.astype("float32"))
        assert sorted(found) == list(range(9))
        best = linear_sum_assignment(weights, maximize=True)[1]
        assert total(weights, found) == pytest.approx(total(weights, best), abs=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_the_worst_and_never_hang(bad):
    weights = np.eye(5, dtype="float32")
    weights[0, 1] = bad
    assert matched(weights).tolist() == [0, 1, 2, 3, 4]
    assert sorted(matched(np.full((5, 5), bad, "float32"))) == list(range(5))


def test_takes_no_gradient(value_and_gradients):
    weights = np.random.default_rng(0).normal(size=(6, 6))

    def loss(weights):
        found = keras.ops.take_along_axis(weights, keras.ops.expand_dims(bipartite_matching(weights), 1), axis=1)
        return keras.ops.sum(found)

    match = linear_sum_assignment(weights, maximize=True)[1]
    _, (gradient,) = value_and_gradients(loss, weights, dtype="float32")
    np.testing.assert_array_equal(gradient, np.eye(6)[match])


def test_refuses_what_is_not_square():
    with pytest.raises(ValueError, match="Received: weights of shape"):
        bipartite_matching(np.ones((3, 4), "float32"))
