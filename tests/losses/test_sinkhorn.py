import keras
import numpy as np
import pytest

from keras_ssl.losses.sinkhorn import sinkhorn


def scores(n=12, k=5, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, k)).astype("float32")


def codes(*args, **kwargs):
    return keras.ops.convert_to_numpy(sinkhorn(*args, **kwargs))


def reference(x, epsilon, iterations):
    """The plain algorithm on exponentials, in float64: prototypes to 1 / K, then samples to 1 / N, then by N."""
    q = np.exp(x.astype("float64") / epsilon)
    n, k = q.shape
    q /= q.sum()
    for _ in range(iterations):
        for column in range(k):
            q[:, column] /= q[:, column].sum() * k
        for row in range(n):
            q[row] /= q[row].sum() * n
    return q * n


@pytest.mark.parametrize("epsilon", [0.05, 1.0])
@pytest.mark.parametrize("iterations", [1, 3])
def test_equals_the_plain_algorithm(epsilon, iterations):
    np.testing.assert_allclose(
        codes(scores(), epsilon, iterations), reference(scores(), epsilon, iterations), atol=1e-5
    )


def test_rows_are_distributions_and_columns_get_equal_shares():
    once, often = codes(scores(), 0.1, 1), codes(scores(), 0.1, 200)
    np.testing.assert_allclose(once.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(often.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(often.sum(0), 12 / 5, rtol=1e-4)
    assert np.abs(once.sum(0) - 12 / 5).max() > 0.01


def test_equal_scores_give_equal_shares():
    np.testing.assert_allclose(codes(np.full((4, 8), 3.0, "float32")), 1 / 8, rtol=1e-5)


def test_a_small_epsilon_on_permuted_scores_is_the_permutation():
    order = np.random.default_rng(1).permutation(6)
    np.testing.assert_allclose(codes(np.eye(6, dtype="float32")[order], 0.05), np.eye(6)[order], atol=1e-6)


def test_scores_of_any_size_stay_finite():
    # exp(1e4 / 0.05) overflows every float; a column that no sample likes vanishes without logarithms.
    x = scores() * 1e4
    x[:, 0] = -1e4
    found = codes(x, 0.05, 3)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    half, exact = rounded(scores(), dtype)
    found = sinkhorn(half)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(found, reference(exact, 0.05, 3), atol=1e-4)


def test_absent_rows_have_no_code_and_no_say():
    x, present = scores(), np.arange(12) < 7
    found = codes(x, 0.05, 3, present)
    np.testing.assert_allclose(found[:7], codes(x[:7], 0.05, 3), atol=1e-6)
    np.testing.assert_array_equal(found[7:], 0.0)
    np.testing.assert_allclose(codes(x, 0.05, 3, np.ones(12, bool)), codes(x), atol=1e-6)


def test_has_no_gradient(value_and_gradients):
    weights = scores(seed=3)
    _, (gradient,) = value_and_gradients(
        lambda x: keras.ops.sum((sinkhorn(x) + 0.0 * x) * keras.ops.cast(weights, x.dtype)), scores().astype("float64")
    )
    np.testing.assert_array_equal(gradient, 0.0)


def test_compiled_equals_eager(compiled):
    weights = scores(seed=3)
    expected = float((codes(scores()) * weights).sum())
    assert compiled(lambda x: keras.ops.sum(sinkhorn(x) * weights), scores()) == pytest.approx(expected, rel=1e-4)


def test_errors():
    with pytest.raises(ValueError, match="Received: epsilon=0"):
        sinkhorn(scores(), 0)
    with pytest.raises(ValueError, match="Received: iterations=0"):
        sinkhorn(scores(), iterations=0)
