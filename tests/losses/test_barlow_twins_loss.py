import keras
import numpy as np
import pytest

from keras_ssl.losses.barlow_twins_loss import (
    barlow_twins_loss,
    barlow_twins_terms,
    cross_correlation,
    standardize,
)

SHAPES = [(2, 3), (6, 4), (3, 7)]
HADAMARD = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], "float32")


def views(shape, seed=0):
    z1, z2 = np.random.default_rng(seed).normal(size=(2, *shape))
    return z1, 0.6 * z1 + 0.8 * z2


def pair32(shape, seed=0):
    return [z.astype("float32") for z in views(shape, seed)]


def reference_correlation(z1, z2, epsilon=1e-5):
    n, d = z1.shape

    def column(z, j):
        mean = sum(z[b, j] for b in range(n)) / n
        variance = sum((z[b, j] - mean) ** 2 for b in range(n)) / n
        return [(z[b, j] - mean) / (variance + epsilon) ** 0.5 for b in range(n)]

    c = np.zeros((d, d))
    for i in range(d):
        for j in range(d):
            c[i, j] = sum(a * b for a, b in zip(column(z1, i), column(z2, j), strict=True)) / n
    return c


def reference(z1, z2, weight=0.0051, scale=1.0, epsilon=1e-5):
    c = reference_correlation(z1, z2, epsilon)
    total = 0.0
    for i in range(len(c)):
        for j in range(len(c)):
            total += (1 - c[i, i]) ** 2 if i == j else weight * c[i, j] ** 2
    return scale * total


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weight", [0.0051, 0.5])
def test_equals_the_loops(shape, weight):
    z1, z2 = pair32(shape, seed=sum(shape))
    loss = float(barlow_twins_loss(z1, z2, weight, scale=0.1))
    assert loss == pytest.approx(reference(z1.astype("float64"), z2.astype("float64"), weight, 0.1), rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_cross_correlation_equals_the_loops_and_numpys_corrcoef(shape):
    z1, z2 = pair32(shape)
    c = keras.ops.convert_to_numpy(cross_correlation(z1, z2))
    np.testing.assert_allclose(c, reference_correlation(z1.astype("float64"), z2.astype("float64")), atol=1e-5)
    c = keras.ops.convert_to_numpy(cross_correlation(z1, z2, epsilon=0.0))
    np.testing.assert_allclose(c, np.corrcoef(z1, z2, rowvar=False)[: shape[1], shape[1] :], atol=1e-5)


def test_standardize_takes_the_biased_variance():
    z = pair32((6, 3))[0]
    y = keras.ops.convert_to_numpy(standardize(z, epsilon=0.0))
    np.testing.assert_allclose(y, (z - z.mean(0)) / z.std(0, ddof=0), atol=1e-6)


def test_equal_views_have_the_diagonal_one():
    # An unbiased variance with 1/N would give (N - 1) / N: 0.75 here.
    z = pair32((4, 3))[0]
    diagonal = np.diag(keras.ops.convert_to_numpy(cross_correlation(z, z, epsilon=0.0)))
    np.testing.assert_allclose(diagonal, 1.0, atol=1e-6)


def test_equal_decorrelated_views_cost_nothing():
    assert float(barlow_twins_loss(HADAMARD, HADAMARD, redundancy_weight=1.0)) < 1e-6


def test_opposite_decorrelated_views_cost_four_per_dimension():
    assert float(barlow_twins_loss(HADAMARD, -HADAMARD)) == pytest.approx(4 * 3, rel=1e-4)


def test_two_samples_correlate_fully():
    # With N = 2 every column standardizes to (1, -1) or (-1, 1), so every C_ij is 1 or -1.
    z = np.array([[0.0, 3.0, -1.0, 2.0], [1.0, -2.0, 4.0, 2.5]], "float32")
    signs = np.sign(z[0] - z[1])
    c = keras.ops.convert_to_numpy(cross_correlation(z, z))
    np.testing.assert_allclose(c, np.outer(signs, signs), atol=1e-3)
    assert float(barlow_twins_loss(z, z, redundancy_weight=0.01)) == pytest.approx(0.01 * 4 * 3, rel=1e-3)


def test_independent_views_cost_about_the_width():
    z1, z2 = np.random.default_rng(0).normal(size=(2, 4096, 8)).astype("float32")
    assert float(barlow_twins_loss(z1, z2)) == pytest.approx(8, abs=0.5)


def test_collapsed_views_cost_exactly_the_width():
    z = np.full((6, 5), 3.0, "float32")
    assert float(barlow_twins_loss(z, z)) == 5.0


def test_with_weight_one_it_is_the_distance_from_the_identity():
    z1, z2 = pair32((6, 4))
    distance = np.linalg.norm(np.corrcoef(z1, z2, rowvar=False)[:4, 4:] - np.eye(4)) ** 2
    assert float(barlow_twins_loss(z1, z2, 1.0, epsilon=0.0)) == pytest.approx(distance, rel=1e-5)


def test_terms_add_up_to_the_loss():
    z1, z2 = pair32((6, 4))
    c = reference_correlation(z1.astype("float64"), z2.astype("float64"))
    invariance, redundancy = (float(term) for term in barlow_twins_terms(z1, z2))
    assert invariance == pytest.approx(((np.diag(c) - 1) ** 2).sum(), rel=1e-5)
    assert redundancy == pytest.approx((c**2).sum() - (np.diag(c) ** 2).sum(), rel=1e-5)
    loss = float(barlow_twins_loss(z1, z2, redundancy_weight=0.3, scale=2.0))
    assert loss == pytest.approx(2.0 * (invariance + 0.3 * redundancy), rel=1e-6)


def test_each_view_is_standardized_by_its_own_statistics():
    # Statistics shared by both views would see the shift and the scale that only the second view has.
    z1, z2 = pair32((6, 3))
    there = np.array([5.0, -2.0, 0.5], "float32") + z2 * np.array([3.0, 0.2, 7.0], "float32")
    expected = float(barlow_twins_loss(z1, z2, 0.5, epsilon=0.0))
    assert float(barlow_twins_loss(z1, there, 0.5, epsilon=0.0)) == pytest.approx(expected, rel=1e-5)


def test_is_symmetric_in_the_views():
    z1, z2 = pair32((6, 4))
    assert float(barlow_twins_loss(z1, z2)) == pytest.approx(float(barlow_twins_loss(z2, z1)), rel=1e-6)


def test_the_order_of_the_batch_does_not_matter_but_the_pairing_does():
    z1, z2 = pair32((6, 4))
    order = np.random.default_rng(1).permutation(6)
    expected = float(barlow_twins_loss(z1, z2))
    assert float(barlow_twins_loss(z1[order], z2[order])) == pytest.approx(expected, rel=1e-5)
    assert abs(float(barlow_twins_loss(z1[order], z2)) - expected) > 0.1


def test_a_batch_seen_twice_gives_the_same_loss():
    # Holds only with the mean over the batch: a sum would double, and 1 / (N - 1) would differ.
    z1, z2 = pair32((6, 4))
    twice = float(barlow_twins_loss(np.tile(z1, (2, 1)), np.tile(z2, (2, 1)), 0.5))
    assert twice == pytest.approx(float(barlow_twins_loss(z1, z2, 0.5)), rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 2), (6, 4)])
def test_gradient_equals_finite_differences(shape, value_and_gradients, finite_differences, tolerance):
    z1, z2 = views(shape, seed=3)
    value, gradients = value_and_gradients(lambda a, b: barlow_twins_loss(a, b, 0.5, epsilon=1e-3), z1, z2)
    expected = finite_differences(lambda a, b: reference(a, b, 0.5, epsilon=1e-3), z1, z2)
    assert value == pytest.approx(reference(z1, z2, 0.5, epsilon=1e-3), rel=tolerance)
    np.testing.assert_allclose(gradients, expected, atol=10 * tolerance)


def test_gradient_of_a_dead_dimension_is_finite(value_and_gradients):
    z1, z2 = views((6, 3))
    z1[:, 1] = 2.0
    z2[:, 1] = 2.0
    _, gradients = value_and_gradients(barlow_twins_loss, z1, z2, dtype="float32")
    assert np.isfinite(gradients).all()


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 2e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    # Squares of these overflow in the dtype of the inputs.
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in views((6, 4)))
    assert keras.backend.standardize_dtype(barlow_twins_loss(z1, z2).dtype) == "float32"
    assert float(barlow_twins_loss(z1, z2)) == pytest.approx(reference(exact1, exact2), rel=1e-5)
    _, gradients = value_and_gradients(barlow_twins_loss, exact1, exact2, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    z1, z2 = pair32((6, 4))
    assert compiled(barlow_twins_loss, z1, z2) == pytest.approx(float(barlow_twins_loss(z1, z2)), rel=1e-5)


@pytest.mark.parametrize(("first", "second"), [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4,), (4,))])
def test_refuses_embeddings_of_different_shapes(first, second):
    with pytest.raises(ValueError, match="Received: shapes"):
        barlow_twins_loss(np.ones(first, "float32"), np.ones(second, "float32"))
