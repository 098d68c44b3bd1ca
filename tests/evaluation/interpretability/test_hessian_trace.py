"""The trace of the Hessian: quadratics, a full Hessian by finite differences, and the pretraining loss."""

import itertools

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.evaluation import hessian_trace
from keras_ssl.training.derivatives import hessian_vector_product, input_gradient

RNG = np.random.default_rng(0)


class Point(keras.layers.Layer):
    """A vector of weights."""

    def __init__(self, size):
        super().__init__()
        self.w = self.add_weight(shape=(size,), initializer="ones")
        self.built = True


def quadratic(point, matrix):
    matrix = keras.ops.convert_to_tensor(np.asarray(matrix, "float32"))
    return lambda: 0.5 * keras.ops.sum(point.w * keras.ops.matmul(matrix, keras.ops.reshape(point.w, (-1, 1)))[:, 0])


def test_is_exact_for_a_diagonal_hessian_whatever_the_signs():
    point = Point(4)
    diagonal = np.diag([1.0, -2.0, 3.5, 0.25])
    for seed in range(3):
        assert hessian_trace(point, quadratic(point, diagonal), samples=1, seed=seed) == pytest.approx(2.75)


def test_is_unbiased_over_all_signs():
    point = Point(3)
    matrix = RNG.normal(size=(3, 3))
    matrix = matrix + matrix.T
    estimates = []
    for signs in itertools.product((-1.0, 1.0), repeat=3):
        v = np.array(signs)
        product = hessian_vector_product(quadratic(point, matrix), point, [point.w], [v.astype("float32")])[0]
        np.testing.assert_allclose(product, matrix @ v, rtol=1e-5, atol=1e-6)
        estimates.append(v @ keras.ops.convert_to_numpy(product))
    assert np.mean(estimates) == pytest.approx(np.trace(matrix), rel=1e-5)
    assert hessian_trace(point, quadratic(point, matrix), samples=None) == pytest.approx(np.trace(matrix), rel=1e-5)
    spread = np.std(estimates)
    assert hessian_trace(point, quadratic(point, matrix), samples=400) == pytest.approx(
        np.trace(matrix), abs=4 * spread / 20
    )


def test_is_zero_for_a_linear_loss_and_blind_to_constants():
    point = Point(5)
    assert hessian_trace(point, lambda: 3 * keras.ops.sum(point.w), samples=3) == 0.0
    assert hessian_trace(point, lambda: keras.ops.sum(keras.ops.ones(2)), samples=3) == 0.0
    plain = quadratic(point, np.eye(5))
    assert hessian_trace(point, lambda: plain() + 100.0, samples=2) == pytest.approx(5.0)


def test_linear_model_with_squared_error():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    x = RNG.normal(size=(9, 4)).astype("float32")
    expected = 2 * np.mean(np.sum(x**2, axis=1))
    y = RNG.normal(size=(9, 1)).astype("float32")
    kernel = [model.layers[0].kernel]
    for loss in ("mse", keras.losses.MeanSquaredError(), lambda a, b: keras.ops.square(a - b)):
        found = hessian_trace(model, loss, (x, y), variables=kernel, samples=None)
        assert found == pytest.approx(expected, rel=1e-5)
    assert hessian_trace(model, "mse", (x, y), samples=None) == pytest.approx(expected + 2, rel=1e-5)  # and the bias


def test_matches_the_full_hessian_of_two_layers():
    model = keras.Sequential(
        [keras.layers.Input((2,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)]
    )
    x, y = RNG.normal(size=(5, 2)).astype("float32"), np.array([0, 1, 1, 0, 1])
    weights = [w.astype("float64") for w in model.get_weights()]
    sizes = [w.size for w in weights]

    def loss(flat):
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        a, b, c, d = (p.reshape(w.shape) for p, w in zip(parts, weights, strict=True))
        z = np.tanh(x @ a + b) @ c + d
        return np.mean([np.log(np.exp(row).sum()) - row[k] for row, k in zip(z, y, strict=True)])

    flat, step = np.concatenate([w.ravel() for w in weights]), 1e-4
    units = step * np.eye(len(flat))
    hessian = np.array(
        [[(loss(flat + a + b) - loss(flat + a) - loss(flat + b) + loss(flat)) / step**2 for a in units] for b in units]
    )
    expected = sum(loss(flat + a) - 2 * loss(flat) + loss(flat - a) for a in units) / step**2
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert hessian_trace(model, entropy, (x, y), samples=None) == pytest.approx(expected, rel=1e-3)
    error = np.sqrt(2 * np.sum((hessian - np.diag(np.diag(hessian))) ** 2) / 300)  # of the mean of 300 estimates
    assert hessian_trace(model, entropy, (x, y), samples=300) == pytest.approx(expected, abs=4 * error)


def test_of_the_pretraining_loss_changes_nothing_of_the_model():
    model = keras_ssl.BarlowTwins(keras_ssl.encoders.ConvNet(widths=(4, 8), input_shape=(16, 16, 3)), projector=(8,))
    images = RNG.integers(0, 256, size=(8, 16, 16, 3)).astype("uint8")
    before = [np.array(v) for v in model.variables]
    first = hessian_trace(model, data={"x": images}, samples=2)
    assert np.isfinite(first) and first != 0.0
    assert hessian_trace(model, data={"x": images}, samples=2) == pytest.approx(first, rel=1e-4)
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, new)


def test_input_gradient():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    x = RNG.normal(size=(2, 3)).astype("float32")
    value, gradient = input_gradient(lambda z: keras.ops.sum(model(z)), x)
    assert float(value) == pytest.approx(float(np.sum(model(x))), rel=1e-5)
    np.testing.assert_allclose(gradient, np.tile(model.get_weights()[0].T, (2, 1)), rtol=1e-6)
    assert not np.any(input_gradient(lambda z: keras.ops.sum(keras.ops.ones(1)), x)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "Received: samples=0"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"variables": []}, r"Received: variables=\[\]"),
        ({"loss": None}, "Received: loss=None"),
        ({"loss": "mse"}, "Received: loss='mse'"),
        ({"loss": "none such", "data": (1, 2)}, "Received: loss='none such'"),
        ({"data": np.ones(3)}, "Received: data=ndarray"),
        ({"loss": lambda: keras.ops.ones(3)}, "Received: loss of shape"),
        ({"model": keras.layers.Dense(2)}, "Received: model="),
    ],
)
def test_refuses(options, message):
    point = Point(2)
    with pytest.raises(ValueError, match=message):
        hessian_trace(**{"model": point, "loss": quadratic(point, np.eye(2)), **options})
