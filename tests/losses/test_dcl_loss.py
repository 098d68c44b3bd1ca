import keras
import numpy as np
import pytest

from keras_ssl.losses.dcl_loss import dcl_loss, dcl_terms, von_mises_fisher_weights
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from tests.losses.reference import as32, cosine, log_sum_exp, random_views, slow_nt_xent_rows


def slow_weights(z1, z2, sigma):
    density = np.exp([cosine(a, b) / sigma for a, b in zip(z1, z2, strict=True)])
    return 2.0 - density / density.mean()


def reference(z1, z2, temperature=0.1, weights=None):
    n, z = len(z1), [*z1, *z2]
    total = 0.0
    for i in range(2 * n):
        weight = 1.0 if weights is None else weights[i % n]
        total += log_sum_exp(cosine(z[i], z[j]) / temperature for j in range(2 * n) if j % n != i % n)
        total -= weight * cosine(z[i], z[(i + n) % (2 * n)]) / temperature
    return total / (2 * n)


@pytest.mark.parametrize("shape", [(2, 3), (6, 4)])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
@pytest.mark.parametrize("sigma", [None, 0.5])
def test_equals_the_loops(shape, temperature, sigma):
    z1, z2 = as32(random_views(shape))
    weights, slow = None, None
    if sigma is not None:
        weights, slow = von_mises_fisher_weights(z1, z2, sigma), slow_weights(z1, z2, sigma)
        np.testing.assert_allclose(weights, slow, atol=1e-5)
    expected = reference(z1.astype("float64"), z2.astype("float64"), temperature, slow)
    assert float(dcl_loss(z1, z2, temperature, weights)) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_info_nce_is_softplus_of_dcl_anchor_by_anchor(temperature):
    z1, z2 = as32(random_views((6, 4)))
    rows = np.asarray(dcl_terms(z1, z2, temperature), "float64")
    np.testing.assert_allclose(np.logaddexp(0.0, rows), slow_nt_xent_rows(z1, z2, temperature), rtol=1e-5, atol=1e-6)
    assert np.logaddexp(0.0, rows).mean() == pytest.approx(float(nt_xent_loss(z1, z2, temperature)), rel=1e-5)


def test_the_gradient_of_info_nce_is_that_of_dcl_times_the_sigmoid(value_and_gradients, tolerance):
    z1, z2 = random_views((4, 3))
    _, coupled = value_and_gradients(lambda a, b: nt_xent_loss(a, b, 0.5), z1, z2)
    multiplier = 1.0 - np.exp(-np.array(slow_nt_xent_rows(z1, z2, 0.5)))  # sigmoid(DCL_i), as NT-Xent_i = softplus
    kind = "float32" if tolerance > 1e-6 else "float64"
    _, decoupled = value_and_gradients(
        lambda a, b: keras.ops.mean(multiplier.astype(kind) * dcl_terms(a, b, 0.5)), z1, z2
    )
    np.testing.assert_allclose(coupled, decoupled, atol=tolerance)


def test_orthonormal_embeddings_have_a_closed_form():
    z = np.eye(6, dtype="float32")
    assert float(dcl_loss(z, z, 0.5)) == pytest.approx(np.log(10) - 2.0, rel=1e-5)


def test_the_chance_value_is_the_logarithm_of_the_negatives():
    z = np.tile(np.array([[1.0, 2.0]], "float32"), (6, 1))
    assert float(dcl_loss(z, z)) == pytest.approx(np.log(10), abs=1e-5)


@pytest.mark.slow
def test_many_negatives_bring_dcl_to_info_nce():
    differences = []
    for n in (4, 16, 64):
        z1, z2 = np.random.default_rng(0).normal(size=(2, n, 32)).astype("float32")
        differences.append(float(nt_xent_loss(z1, z2, 1.0)) - float(dcl_loss(z1, z2, 1.0)))
    assert differences[0] > 3 * differences[1] > 9 * differences[2] > 0


def test_weights_have_mean_one_and_fall_with_the_cosine():
    z1, z2 = as32(random_views((6, 4)))
    weights = np.asarray(von_mises_fisher_weights(z1, z2))
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    cosines = [cosine(a, b) for a, b in zip(z1, z2, strict=True)]
    np.testing.assert_array_equal(np.argsort(weights), np.argsort(cosines)[::-1])


def test_a_large_sigma_makes_dclw_dcl():
    z1, z2 = as32(random_views((6, 4)))
    weights = von_mises_fisher_weights(z1, z2, 1e6)
    np.testing.assert_allclose(weights, 1.0, atol=1e-5)
    assert float(dcl_loss(z1, z2, 0.1, weights)) == pytest.approx(float(dcl_loss(z1, z2)), rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((4, 3), seed=3)
    value, gradients = value_and_gradients(lambda a, b: dcl_loss(a, b, 0.5), z1, z2)
    assert value == pytest.approx(reference(z1, z2, 0.5), rel=tolerance)
    expected = finite_differences(lambda a, b: reference(a, b, 0.5), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


def test_weights_carry_no_gradient(value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((4, 3), seed=3)
    fixed = slow_weights(z1, z2, 0.5)
    _, gradients = value_and_gradients(lambda a, b: dcl_loss(a, b, 0.5, von_mises_fisher_weights(a, b)), z1, z2)
    expected = finite_differences(lambda a, b: reference(a, b, 0.5, fixed), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in random_views((6, 4)))
    assert float(dcl_loss(z1, z2, 0.01)) == pytest.approx(reference(exact1, exact2, 0.01), rel=1e-4)
    _, gradients = value_and_gradients(lambda a, b: dcl_loss(a, b, 0.01), exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((6, 4)))

    def loss(a, b):
        return dcl_loss(a, b, 0.2, von_mises_fisher_weights(a, b))

    assert compiled(loss, z1, z2) == pytest.approx(float(loss(z1, z2)), rel=1e-5)


def test_refuses_a_temperature_or_sigma_that_is_not_positive():
    z1, z2 = as32(random_views((4, 3)))
    with pytest.raises(ValueError, match="`temperature` must be greater than 0. Received: temperature=0"):
        dcl_loss(z1, z2, 0)
    with pytest.raises(ValueError, match="`sigma` must be greater than 0. Received: sigma=-1"):
        von_mises_fisher_weights(z1, z2, -1)
