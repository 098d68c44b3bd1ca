import keras
import numpy as np
import pytest

from keras_ssl.losses.dcl_loss import dcl_loss
from keras_ssl.losses.sog_clr_loss import sog_clr_loss, sog_clr_terms
from tests.losses.reference import as32, cosine, random_views

TEMPERATURES = np.array([0.1, 0.2, 0.5, 1.0], "float32")
LOG_MEAN = np.array([3.0, 1.0, 0.5, -0.5], "float32")
SEEN = np.array([True, False, True, True])


def reference(z1, z2, temperatures, averages, seen, gamma):
    """(loss, new averages, slopes, weights [2N, 2N]), loop by loop, with plain averages instead of logarithms."""
    n, z = len(z1), [*z1, *z2]
    loss, new, slopes, weights = 0.0, np.zeros(n), np.zeros(n), np.zeros((2 * n, 2 * n))
    for i in range(2 * n):
        t, others = temperatures[i % n], [j for j in range(2 * n) if j % n != i % n]
        similar = {j: cosine(z[i], z[j]) for j in others}
        u = np.mean([np.exp(s / t) for s in similar.values()])
        if seen[i % n]:
            u = (1 - gamma) * averages[i % n] + gamma * u
        for j, s in similar.items():
            weights[i, j] = np.exp(s / t) / u / len(others)
        loss += t * np.log(u) - cosine(z[i], z[(i + n) % (2 * n)])
        new[i % n] += u / 2
        slopes[i % n] += (np.log(u) - sum(weights[i, j] * s / t for j, s in similar.items())) / 2
    return loss / (2 * n), new, slopes, weights


def surrogate(z1, z2, weights):
    """The function whose gradient the loss has: constant weights on the similarities."""
    n, z = len(z1), [*z1, *z2]
    total = 0.0
    for i in range(2 * n):
        total += sum(weights[i, j] * cosine(z[i], z[j]) for j in range(2 * n) if j % n != i % n)
        total -= cosine(z[i], z[(i + n) % (2 * n)])
    return total / (2 * n)


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_equals_the_loops(gamma):
    z1, z2 = as32(random_views((4, 3)))
    terms = sog_clr_terms(z1, z2, TEMPERATURES, LOG_MEAN, SEEN, gamma)
    loss, averages, slopes, _ = reference(
        z1.astype("float64"), z2.astype("float64"), TEMPERATURES, np.exp(LOG_MEAN), SEEN, gamma
    )
    assert float(terms.loss) == pytest.approx(loss, rel=1e-5, abs=1e-5)  # a difference of larger numbers
    np.testing.assert_allclose(terms.log_mean, np.log(averages), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(terms.slope, slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_the_gradient_is_that_of_the_estimator(gamma, value_and_gradients, finite_differences, tolerance):
    z1, z2 = random_views((4, 3))
    *_, weights = reference(z1, z2, TEMPERATURES, np.exp(LOG_MEAN.astype("float64")), SEEN, gamma)
    _, gradients = value_and_gradients(lambda a, b: sog_clr_loss(a, b, TEMPERATURES, LOG_MEAN, SEEN, gamma), z1, z2)
    expected = finite_differences(lambda a, b: surrogate(a, b, weights), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=max(tolerance, 1e-6))


def test_one_temperature_and_gamma_1_is_t_times_dcl(value_and_gradients, tolerance):
    z1, z2 = random_views((4, 3))
    value, gradients = value_and_gradients(lambda a, b: sog_clr_loss(a, b, 0.3, LOG_MEAN, SEEN, 1.0), z1, z2)
    decoupled, expected = value_and_gradients(lambda a, b: 0.3 * dcl_loss(a, b, 0.3), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)
    assert value == pytest.approx(decoupled - 0.3 * np.log(6), abs=max(tolerance, 1e-6))


def test_the_slope_is_minus_the_divergence_from_uniform():
    # d/dT of T log E exp(s / T), which for the average of the batch alone is -KL(p || uniform).
    z1, z2 = as32(random_views((4, 3)))
    terms = sog_clr_terms(z1, z2, TEMPERATURES)
    z, divergences = np.concatenate([z1, z2]), np.zeros(4)
    for i in range(8):
        logits = np.array([cosine(z[i], z[j]) / TEMPERATURES[i % 4] for j in range(8) if j % 4 != i % 4])
        p = np.exp(logits) / np.exp(logits).sum()
        divergences[i % 4] += (p * np.log(6 * p)).sum() / 2
    np.testing.assert_allclose(terms.slope, -divergences, rtol=1e-4, atol=1e-5)


def test_equal_embeddings_give_zero():
    z = np.tile(np.array([[1.0, 2.0]], "float32"), (6, 1))
    terms = sog_clr_terms(z, z, 0.2)
    assert float(terms.loss) == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(terms.log_mean, 5.0, rtol=1e-5)


def test_orthonormal_embeddings_have_a_closed_form():
    z = np.eye(6, dtype="float32")
    assert float(sog_clr_loss(z, z, 0.2)) == pytest.approx(-1.0, abs=1e-6)  # T log E exp(0) - 1


def test_a_low_temperature_does_not_overflow():
    # exp(1 / 0.001) is beyond float32; logarithms are not.
    z1, z2 = as32(random_views((4, 3)))
    terms = sog_clr_terms(z1, z2, 0.001, np.full(4, 900.0, "float32"), np.ones(4, bool), 0.5)
    for part in terms:
        assert np.isfinite(keras.ops.convert_to_numpy(part)).all()


def test_a_row_of_nan_makes_the_loss_nan():
    z1, z2 = as32(random_views((4, 3)))
    temperatures = TEMPERATURES.copy()
    temperatures[2] = np.nan
    assert np.isnan(float(sog_clr_loss(z1, z2, temperatures, LOG_MEAN, SEEN)))


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in random_views((4, 3)))
    expected, *_ = reference(exact1, exact2, TEMPERATURES, np.exp(LOG_MEAN), SEEN, 0.5)
    assert float(sog_clr_loss(z1, z2, TEMPERATURES, LOG_MEAN, SEEN, 0.5)) == pytest.approx(expected, rel=1e-4)
    _, gradients = value_and_gradients(lambda a, b: sog_clr_loss(a, b, 0.05), exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = as32(random_views((4, 3)))
    arguments = (z1, z2, TEMPERATURES, LOG_MEAN, SEEN)
    assert compiled(sog_clr_loss, *arguments) == pytest.approx(float(sog_clr_loss(*arguments)), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 1.1, float("nan")])
def test_refuses_gamma_out_of_range(gamma):
    z1, z2 = as32(random_views((4, 3)))
    with pytest.raises(ValueError, match=f"`gamma` must lie in .* Received: gamma={gamma}"):
        sog_clr_loss(z1, z2, gamma=gamma)
    with pytest.raises(ValueError, match="`temperature` must be greater than 0. Received: temperature=0"):
        sog_clr_loss(z1, z2, 0)
