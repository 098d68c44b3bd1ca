"""MGDA, PCGrad and CAGrad against slow solvers in float64."""

import itertools

import keras
import numpy as np
import pytest
from scipy.optimize import minimize

from keras_ssl.optimizers import ca_grad, mgda, min_norm_weights, pc_grad

CASES = [
    np.random.default_rng(seed).normal(size=(tasks, 6)) + shift
    for seed, (tasks, shift) in enumerate(itertools.product((1, 2, 3, 5), (0.0, 0.7)))
]


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def on_simplex(function, tasks):
    """The least value of a convex function over the simplex, from several starts."""
    best = None
    for start in [np.full(tasks, 1 / tasks), *(0.9 * np.eye(tasks) + 0.1 / tasks)]:
        bounds, total = [(0, 1)] * tasks, {"type": "eq", "fun": lambda w: w.sum() - 1}
        found = minimize(function, start, bounds=bounds, constraints=[total], options={"ftol": 1e-14, "maxiter": 500})
        best = found if best is None or found.fun < best.fun else best
    return best


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


@pytest.mark.parametrize("g", CASES, ids=lambda g: str(g.shape))
def test_mgda_is_the_shortest_vector_of_the_hull(g):
    d = numbers(mgda(g))
    least = on_simplex(lambda w: ((w @ g) ** 2).sum(), len(g)).fun
    assert abs((d**2).sum() - least) < 1e-4
    assert (g @ d >= (d**2).sum() - 1e-4).all()  # it opposes no task: the condition of optimality
    w = numbers(min_norm_weights(g))
    assert (w >= 0).all() and abs(w.sum() - 1) < 1e-5
    np.testing.assert_allclose(w @ g, d, atol=1e-5)
    np.testing.assert_allclose(numbers(compiled(mgda)(keras.ops.convert_to_tensor(g, "float32"))), d, atol=1e-4)


@pytest.mark.parametrize("a, b", [([1, 0], [0, 2]), ([1, 0], [3, 0.5]), ([1, 1], [-1, 1]), ([2, 0], [-1, 0])])
def test_mgda_of_two_tasks_in_closed_form(a, b):
    a, b = np.array(a, float), np.array(b, float)
    w = np.clip(b @ (b - a) / ((a - b) @ (a - b)), 0, 1)
    np.testing.assert_allclose(numbers(mgda(np.stack([a, b]))), w * a + (1 - w) * b, atol=1e-6)


def test_mgda_of_equal_and_of_zero_gradients():
    g = np.array([[1.0, 2.0]] * 3)
    np.testing.assert_allclose(numbers(mgda(g)), g[0], atol=1e-6)
    np.testing.assert_allclose(numbers(mgda(np.zeros((2, 3)))), np.zeros(3))
    np.testing.assert_allclose(numbers(mgda(1e15 * g)), 1e15 * g[0], rtol=1e-5)


def surgery(g, order):
    """Task by task, with the vectors themselves."""
    total = np.zeros(g.shape[1])
    for i in range(len(g)):
        own = g[i].copy()
        for j in order:
            if j != i and own @ g[j] < 0:
                own -= own @ g[j] / (g[j] @ g[j]) * g[j]
        total += own
    return total


@pytest.mark.parametrize("g", CASES, ids=lambda g: str(g.shape))
def test_pc_grad_equals_the_loops(g):
    orders = [None, list(range(len(g)))[::-1], np.random.default_rng(1).permutation(len(g))]
    for order in orders:
        expected = surgery(g, range(len(g)) if order is None else order)
        np.testing.assert_allclose(numbers(pc_grad(g, order)), expected, atol=1e-5)
    traced = compiled(lambda x, order: pc_grad(x, order))
    tensors = keras.ops.convert_to_tensor(g, "float32"), keras.ops.convert_to_tensor(orders[1], "int32")
    np.testing.assert_allclose(numbers(traced(*tensors)), surgery(g, orders[1]), atol=1e-4)


def test_pc_grad_adds_what_agrees_and_survives_zeros():
    g = np.array([[1.0, 0.0], [0.5, 1.0]])
    np.testing.assert_allclose(numbers(pc_grad(g)), [1.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(numbers(pc_grad(np.array([[0.0, 0.0], [1.0, 2.0]]))), [1.0, 2.0], atol=1e-6)
    np.testing.assert_allclose(numbers(pc_grad(np.array([[1.0, 2.0], [-1.0, -2.0]]))), [0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("c", [0.2, 0.5, 0.9, 2.0])
@pytest.mark.parametrize("g", CASES, ids=lambda g: str(g.shape))
def test_ca_grad_helps_the_worst_task_most(g, c):
    d, mean = numbers(ca_grad(g, c)), g.mean(axis=0)
    assert np.linalg.norm(d - mean) <= c * np.linalg.norm(mean) * (1 + 1e-4) + 1e-6
    # Strong duality: the best worst case is the least value of the dual.
    dual = on_simplex(lambda w: w @ g @ mean + c * np.linalg.norm(mean) * np.linalg.norm(w @ g), len(g)).fun
    assert (g @ d).min() == pytest.approx(dual, abs=2e-3)
    np.testing.assert_allclose(numbers(ca_grad(g, c, rescale=True)), d / (1 + c), atol=1e-5)


def test_ca_grad_in_the_limits():
    g = CASES[4]
    np.testing.assert_allclose(numbers(ca_grad(g, 0.0)), g.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(numbers(ca_grad(g[:1], 0.5)), 1.5 * g[0], atol=1e-5)
    np.testing.assert_allclose(numbers(ca_grad(g[:1], 0.5, rescale=True)), g[0], atol=1e-5)
    np.testing.assert_array_equal(numbers(ca_grad(np.zeros((2, 3)))), np.zeros(3))
    assert np.isfinite(numbers(ca_grad(np.array([[1.0, 0.0], [-1.0, 0.0]])))).all()
    np.testing.assert_allclose(
        numbers(compiled(ca_grad)(keras.ops.convert_to_tensor(g))), numbers(ca_grad(g)), atol=1e-4
    )


def test_mgda_of_nearly_equal_gradients_takes_the_shorter():
    rng = np.random.default_rng(0)
    for more in 10.0 ** rng.uniform(-5, -2, 20):
        g = rng.normal(size=30)
        w = numbers(min_norm_weights(np.stack([g, (1 + more) * g])))
        assert w.min() >= 0.0 and w.sum() == pytest.approx(1.0)
        if more > 1e-4:
            np.testing.assert_allclose(w, [1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("rule", [mgda, pc_grad, ca_grad, min_norm_weights])
def test_rejects_what_is_no_matrix(rule):
    for bad in (np.zeros(3), np.zeros((2, 3, 4)), np.zeros((0, 3))):
        with pytest.raises(ValueError, match="`gradients` must be a matrix.*Received: gradients="):
            rule(bad)


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 1], np.array([1, 2, 3])])
def test_pc_grad_rejects(order):
    with pytest.raises(ValueError, match="`order`.*Received: order="):
        pc_grad(np.ones((3, 2)), order)


@pytest.mark.parametrize("c", [-0.1, float("nan"), float("inf")])
def test_ca_grad_rejects(c):
    with pytest.raises(ValueError, match="`c`.*Received: c="):
        ca_grad(np.ones((3, 2)), c)
