import keras
import numpy as np
import pytest

from keras_ssl.losses.vicreg_loss import vicreg_loss, vicreg_terms

HADAMARD = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], "float32")


def views(shape, seed=0):
    z1, z2 = np.random.default_rng(seed).normal(size=(2, *shape)) * 0.7
    return z1, 0.6 * z1 + 0.8 * z2


def pair32(shape, seed=0):
    return [z.astype("float32") for z in views(shape, seed)]


def reference(z1, z2, weights=(25.0, 25.0, 1.0), halve=True, epsilon=1e-4):
    n, d = z1.shape
    invariance = sum((z1[i, j] - z2[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
    variance = covariance = 0.0
    for z in (z1, z2):
        centered = [[z[i, j] - sum(z[:, j]) / n for j in range(d)] for i in range(n)]
        s = [[sum(row[j] * row[k] for row in centered) / (n - 1) for k in range(d)] for j in range(d)]
        variance += sum(max(0.0, 1 - (s[j][j] + epsilon) ** 0.5) for j in range(d)) / d / (2 if halve else 1)
        covariance += sum(s[j][k] ** 2 for j in range(d) for k in range(d) if j != k) / d
    return weights[0] * invariance + weights[1] * variance + weights[2] * covariance


@pytest.mark.parametrize("shape", [(2, 3), (6, 4), (3, 7)])
@pytest.mark.parametrize("halve", [True, False])
def test_equals_the_loops(shape, halve):
    z1, z2 = pair32(shape, seed=sum(shape))
    expected = reference(z1.astype("float64"), z2.astype("float64"), (3.0, 5.0, 0.7), halve)
    assert float(vicreg_loss(z1, z2, 3.0, 5.0, 0.7, halve)) == pytest.approx(expected, rel=1e-5)


def test_the_default_weights_are_25_25_and_1():
    z1, z2 = pair32((6, 4))
    invariance, variance, covariance = (float(term) for term in vicreg_terms(z1, z2))
    assert float(vicreg_loss(z1, z2)) == pytest.approx(25 * invariance + 25 * variance + covariance, rel=1e-6)


def test_the_paper_counts_the_variance_twice():
    z1, z2 = pair32((6, 4))
    code, paper = (vicreg_terms(z1, z2, halve_variance=halve) for halve in (True, False))
    assert float(paper[1]) == pytest.approx(2 * float(code[1]), rel=1e-6)
    assert float(code[1]) > 0.01
    assert [float(t) for t in paper[::2]] == [float(t) for t in code[::2]]


def test_equal_decorrelated_views_cost_nothing():
    # Unbiased standard deviation sqrt(4/3) > 1, no covariance.
    assert float(vicreg_loss(HADAMARD, HADAMARD)) == 0.0


def test_the_covariance_is_numpys():
    z1, z2 = pair32((6, 4))
    total = 0.0
    for z in (z1, z2):
        c = np.cov(z, rowvar=False)
        total += ((c**2).sum() - (np.diag(c) ** 2).sum()) / 4
    assert float(vicreg_terms(z1, z2)[2]) == pytest.approx(total, rel=1e-5)


def test_duplicated_dimensions_have_a_closed_form():
    # Two equal dimensions of variance v: c = 1/2 * 2 v^2 in each view.
    z = np.array([[1.0, 1.0], [-1.0, -1.0]], "float32")
    assert float(vicreg_terms(z, z)[2]) == pytest.approx(2 * 2.0**2, rel=1e-6)


def test_collapsed_embeddings_cost_the_variance_weight():
    z = np.full((6, 5), 3.0, "float32")
    assert float(vicreg_loss(z, z)) == pytest.approx(25 * (1 - 0.01), rel=1e-6)
    assert np.isfinite(float(vicreg_loss(z[:1], z[:1])))


def test_shifting_a_view_costs_invariance_alone():
    z1, z2 = pair32((6, 4))
    there = [float(t) for t in vicreg_terms(z1, z2 + 1.0)]
    here = [float(t) for t in vicreg_terms(z1, z2)]
    assert there[1:] == pytest.approx(here[1:], rel=1e-4)
    assert abs(there[0] - here[0]) > 0.1


@pytest.mark.parametrize("shape", [(2, 3), (6, 4)])
def test_gradient_equals_finite_differences(shape, value_and_gradients, finite_differences, tolerance):
    z1, z2 = views(shape, seed=3)
    value, gradients = value_and_gradients(lambda a, b: vicreg_loss(a, b, 1.0, 1.0, 1.0), z1, z2)
    expected = finite_differences(lambda a, b: reference(a, b, (1.0, 1.0, 1.0)), z1, z2)
    assert value == pytest.approx(reference(z1, z2, (1.0, 1.0, 1.0)), rel=tolerance)
    np.testing.assert_allclose(gradients, expected, atol=10 * tolerance)


def test_gradient_of_a_dead_dimension_is_finite(value_and_gradients):
    z1, z2 = views((6, 3))
    z1[:, 1] = z2[:, 1] = 2.0
    _, gradients = value_and_gradients(vicreg_loss, z1, z2, dtype="float32")
    assert np.isfinite(gradients).all()


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 3e3), ("bfloat16", 1e6)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded):
    # Squares of these overflow in the dtype of the inputs.
    (z1, exact1), (z2, exact2) = (rounded(z * magnitude, dtype) for z in views((6, 4)))
    loss = vicreg_loss(z1, z2)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact1, exact2), rel=1e-5)


def test_compiled_equals_eager(compiled):
    z1, z2 = pair32((6, 4))
    assert compiled(vicreg_loss, z1, z2) == pytest.approx(float(vicreg_loss(z1, z2)), rel=1e-5)


@pytest.mark.parametrize(("first", "second"), [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4,), (4,))])
def test_refuses_embeddings_of_different_shapes(first, second):
    with pytest.raises(ValueError, match="Received: shapes"):
        vicreg_loss(np.ones(first, "float32"), np.ones(second, "float32"))
