import keras
import numpy as np
import pytest

from keras_ssl.losses.whitening_mse_loss import w_mse_loss, whiten

ORDER = np.array([3, 0, 9, 11, 1, 7, 2, 4, 10, 5, 8, 6], "int32")


def views(shape=(12, 3), seed=0):
    z1, z2 = np.random.default_rng(seed).normal(size=(2, *shape))
    return z1, 0.6 * z1 + 0.8 * z2


def pair32(shape=(12, 3), seed=0):
    return [z.astype("float32") for z in views(shape, seed)]


def slow_whiten(z, epsilon=0.0):
    covariance = np.cov(z, rowvar=False)
    covariance = (1 - epsilon) * covariance + epsilon * np.trace(covariance) / z.shape[1] * np.eye(z.shape[1])
    return (z - z.mean(0)) @ np.linalg.inv(np.linalg.cholesky(covariance)).T


def reference(z1, z2, order=ORDER, size=6, epsilon=0.0):
    total = 0.0
    for start in range(0, len(order), size):
        part = order[start : start + size]
        for a, b in zip(slow_whiten(z1[part], epsilon), slow_whiten(z2[part], epsilon), strict=True):
            total += 2 - 2 * np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))
    return total / len(order)


@pytest.mark.parametrize("size", [4, 6, 12])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_equals_the_loops(size, epsilon):
    z1, z2 = pair32(seed=size)
    expected = reference(z1.astype("float64"), z2.astype("float64"), size=size, epsilon=epsilon)
    assert float(w_mse_loss(z1, z2, ORDER, size, epsilon)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_whitened_embeddings_have_mean_zero_and_the_identity_as_covariance():
    z = keras.ops.convert_to_numpy(whiten(pair32((20, 4))[0]))
    np.testing.assert_allclose(z.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(np.cov(z, rowvar=False), np.eye(4), atol=1e-5)


def test_is_invariant_to_scale_and_shift_with_shrinkage_too():
    z1, z2 = pair32()
    expected = float(w_mse_loss(z1, z2, ORDER, 6, 0.2))
    assert float(w_mse_loss(100 * z1 + 3, 0.01 * z2 - 1, ORDER, 6, 0.2)) == pytest.approx(expected, rel=1e-3)


def test_equal_views_cost_nothing_and_opposite_views_four():
    z = pair32()[0]
    assert float(w_mse_loss(z, z, ORDER, 6)) == pytest.approx(0.0, abs=1e-5)
    assert float(w_mse_loss(z, -z, ORDER, 6)) == pytest.approx(4.0, rel=1e-5)
    # A triangular change of basis is undone by the Cholesky factor.
    triangle = np.array([[2.0, 0.0, 0.0], [0.3, 1.0, 0.0], [-1.0, 0.5, 3.0]], "float32")
    assert float(w_mse_loss(z, z @ triangle.T, ORDER, 6)) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.slow
def test_independent_views_cost_about_two():
    z1, z2 = np.random.default_rng(0).normal(size=(2, 4096, 8)).astype("float32")
    assert float(w_mse_loss(z1, z2, np.arange(4096, dtype="int32"), 64)) == pytest.approx(2.0, abs=0.1)


def test_only_the_parts_matter_not_the_order_within():
    z1, z2 = pair32()
    expected = float(w_mse_loss(z1, z2, ORDER, 6))
    within = np.concatenate([ORDER[6:][::-1], ORDER[:6]])
    assert float(w_mse_loss(z1, z2, within, 6)) == pytest.approx(expected, rel=1e-4)
    assert abs(float(w_mse_loss(z1, z2, np.arange(12, dtype="int32"), 6)) - expected) > 1e-3


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = views(seed=3)
    value, gradients = value_and_gradients(lambda a, b: w_mse_loss(1.0 * a, 1.0 * b, ORDER, 6, 0.1), z1, z2)
    assert value == pytest.approx(reference(z1, z2, epsilon=0.1), rel=10 * tolerance)
    expected = finite_differences(lambda a, b: reference(a, b, epsilon=0.1), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=100 * tolerance)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_collapsed_embeddings_are_finite_with_shrinkage(value, value_and_gradients):
    z = np.full((12, 3), value)
    loss, gradients = value_and_gradients(
        lambda a, b: w_mse_loss(1.0 * a, 1.0 * b, ORDER, 6, 1e-4), z, z, dtype="float32"
    )
    assert loss == pytest.approx(2.0, abs=1e-5) and np.isfinite(gradients).all()


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded):
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in views())
    loss = w_mse_loss(z1, z2, ORDER, 6, 0.1)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact1, exact2, epsilon=0.1), rel=1e-4)


def test_compiled_equals_eager(compiled):
    z1, z2 = pair32()
    expected = float(w_mse_loss(z1, z2, ORDER, 6))
    assert compiled(lambda a, b: w_mse_loss(a, b, ORDER, 6), z1, z2) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("size", "message"), [(3, "more samples than dimensions.*whitening_size=3"), (5, "divide")])
def test_refuses_parts_that_cannot_be_whitened(size, message):
    with pytest.raises(ValueError, match=message):
        w_mse_loss(*pair32(), ORDER, size)
