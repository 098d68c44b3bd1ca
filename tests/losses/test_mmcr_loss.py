import keras
import numpy as np
import pytest

from keras_ssl.losses.mmcr_loss import mmcr_loss, nuclear_norm


def arrays(count=3, shape=(6, 4), seed=0):
    return list(np.random.default_rng(seed).normal(size=(count, *shape)))


def arrays32(count=3, shape=(6, 4), seed=0):
    return [z.astype("float32") for z in arrays(count, shape, seed)]


def unit(z):
    return z / np.sqrt((z**2).sum(-1, keepdims=True))


def slow_norm(matrix):
    return np.linalg.svd(matrix, compute_uv=False).sum()


def reference(views, weight=0.0):
    views = [unit(z) for z in views]
    centroids = np.array([np.mean([z[i] for z in views], axis=0) for i in range(len(views[0]))])
    manifolds = np.mean([slow_norm(np.array([z[i] for z in views])) for i in range(len(views[0]))])
    return -slow_norm(centroids) + weight * manifolds


@pytest.mark.parametrize("shape", [(6, 4), (3, 7), (1, 3)])
@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_equals_the_singular_value_decomposition(shape, count, weight):
    views = arrays32(count, shape)
    expected = reference([z.astype("float64") for z in views], weight)
    assert float(mmcr_loss(views, weight)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 4)])
def test_nuclear_norm_is_numpys(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = np.linalg.svd(matrix.astype("float64"), compute_uv=False).sum(-1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(nuclear_norm(matrix)), expected, rtol=1e-5)


def test_closed_forms():
    even = np.eye(4, dtype="float32")
    assert float(mmcr_loss([even, even])) == pytest.approx(-4.0, rel=1e-5)
    one = np.ones((9, 4), "float32")
    assert float(mmcr_loss([one, one])) == pytest.approx(-3.0, rel=1e-5)
    assert float(mmcr_loss([even, -even])) == pytest.approx(0.0, abs=1e-5)
    # Two views at a right angle: centroids of length 1/sqrt(2), manifolds of norm 2.
    turned = np.roll(even, 1, axis=0)
    assert float(mmcr_loss([even, turned], 1.0)) == pytest.approx(reference([even, turned]) + 2.0, rel=1e-5)


def test_lies_above_its_bound():
    views = arrays32(2, (64, 4))
    assert -np.sqrt(64 * 4) < float(mmcr_loss([views[0], views[0]])) < -np.sqrt(64)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    views = arrays(2, (5, 3), seed=3)
    value, gradients = value_and_gradients(lambda *z: mmcr_loss(z, 0.5), *views)
    assert value == pytest.approx(reference(views, 0.5), rel=tolerance)
    expected = finite_differences(lambda *z: reference(z, 0.5), *views)
    np.testing.assert_allclose(gradients, expected, atol=100 * tolerance)


def test_gradient_of_equal_singular_values_is_the_polar_factor(value_and_gradients):
    matrix = np.zeros((5, 3))
    matrix[:3] = 2.0 * np.eye(3)
    value, (gradient,) = value_and_gradients(nuclear_norm, matrix, dtype="float32")
    assert value == pytest.approx(6.0, rel=1e-6)
    np.testing.assert_allclose(gradient, matrix / 2.0, atol=1e-5)


@pytest.mark.parametrize("rank", [0, 1])
def test_gradient_is_finite_without_full_rank(rank, value_and_gradients):
    matrix = np.outer(np.arange(5), [1.0, 2.0, 2.0]) * rank
    value, (gradient,) = value_and_gradients(nuclear_norm, matrix, dtype="float32")
    assert value == pytest.approx(rank * 3 * np.sqrt(30), rel=1e-5)
    expected = matrix / max(value, 1e-9)  # u v^T
    np.testing.assert_allclose(gradient, expected, atol=1e-3)
    z = np.ones((5, 3)) * rank
    _, gradients = value_and_gradients(lambda *z: mmcr_loss(z, 0.5), z, z, dtype="float32")
    assert np.isfinite(gradients).all()


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded):
    pairs = [rounded(z * magnitude, dtype) for z in arrays()]
    loss = mmcr_loss([z for z, _ in pairs], 0.1)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference([exact for _, exact in pairs], 0.1), rel=1e-5)


@pytest.mark.parametrize("shape", [(6, 4), (3, 7)])
def test_compiled_equals_eager(shape, compiled):
    views = arrays32(2, shape)
    assert compiled(lambda *z: mmcr_loss(z, 0.1), *views) == pytest.approx(float(mmcr_loss(views, 0.1)), rel=1e-5)


def test_errors():
    z = np.ones((4, 3), "float32")
    with pytest.raises(ValueError, match="two views. Received: 1 views"):
        mmcr_loss([z])
    with pytest.raises(ValueError, match="Received: shapes"):
        mmcr_loss([z, z[:, :2]])
