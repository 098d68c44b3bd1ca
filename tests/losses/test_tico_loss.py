import keras
import numpy as np
import pytest

from keras_ssl.losses.tico_loss import second_moment, tico_loss, tico_terms


def arrays(shape=(6, 4), seed=0):
    rng = np.random.default_rng(seed)
    z1, z2 = rng.normal(size=(2, *shape))
    root = rng.normal(size=(shape[1], shape[1]))
    return z1, 0.6 * z1 + 0.8 * z2, root @ root.T


def arrays32(shape=(6, 4), seed=0):
    return [x.astype("float32") for x in arrays(shape, seed)]


def unit(z):
    return z / np.sqrt((z**2).sum(-1, keepdims=True))


def reference(z1, z2, covariance, weight=8.0):
    n, d = z1.shape
    total = 0.0
    for a, b in zip(unit(z1), unit(z2), strict=True):
        contrast = sum(a[i] * covariance[i, j] * a[j] for i in range(d) for j in range(d))
        total += 1 - np.dot(a, b) + weight * contrast
    return total / n


@pytest.mark.parametrize("shape", [(1, 3), (6, 4)])
@pytest.mark.parametrize("weight", [0.5, 8.0])
def test_equals_the_loops(shape, weight):
    z = arrays32(shape, seed=sum(shape))
    expected = reference(*(x.astype("float64") for x in z), weight)
    assert float(tico_loss(*z, weight)) == pytest.approx(expected, rel=1e-5)


def test_the_second_moment_of_the_batch_gives_the_mean_squared_cosine():
    z1, z2, _ = arrays32()
    moment = second_moment(z1)
    cosines = unit(z1) @ unit(z1).T
    assert float(tico_terms(z1, z2, moment)[1]) == pytest.approx((cosines**2).mean(), rel=1e-5)
    assert float(np.trace(keras.ops.convert_to_numpy(moment))) == pytest.approx(1.0, rel=1e-5)


def test_closed_forms_of_the_contrast():
    even, one = np.eye(4, dtype="float32"), np.ones((4, 4), "float32")
    assert float(tico_loss(even, even, second_moment(even), 8.0)) == pytest.approx(8 / 4, rel=1e-5)
    assert float(tico_loss(one, one, second_moment(one), 8.0)) == pytest.approx(8.0, rel=1e-5)
    assert float(tico_loss(one, -one, np.zeros((4, 4), "float32"))) == pytest.approx(2.0, rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z = arrays(seed=3)
    value, gradients = value_and_gradients(lambda *z: tico_loss(*z, 0.5), *z)
    assert value == pytest.approx(reference(*z, 0.5), rel=tolerance)
    for have, want in zip(gradients, finite_differences(lambda *z: reference(*z, 0.5), *z), strict=True):
        np.testing.assert_allclose(have, want, atol=10 * tolerance)


def test_a_zero_row_has_no_gradient(value_and_gradients):
    z1, z2, covariance = arrays()
    z1[1] = 0.0
    _, (gradient, *_) = value_and_gradients(tico_loss, z1, z2, covariance, dtype="float32")
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[1], 0.0)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded):
    z1, z2, covariance = arrays()
    (z1, exact1), (z2, exact2) = rounded(z1 * magnitude, dtype), rounded(z2 * magnitude, dtype)
    loss = tico_loss(z1, z2, covariance.astype("float32"))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact1, exact2, covariance), rel=1e-5)


def test_compiled_equals_eager(compiled):
    z1, z2, covariance = arrays32()
    expected = float(tico_loss(z1, z2, covariance))
    assert compiled(lambda a, b: tico_loss(a, b, covariance), z1, z2) == pytest.approx(expected, rel=1e-5)


def test_refuses_embeddings_of_different_shapes():
    with pytest.raises(ValueError, match="Received: shapes"):
        tico_loss(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"), np.eye(3, dtype="float32"))
