import keras
import numpy as np
import pytest

from keras_ssl.losses.mixed_barlow_twins_loss import mixup_correlation_regularizer

ORDER = np.array([2, 0, 1, 5, 3, 4], "int32")


def three(shape=(6, 4), seed=0):
    return np.random.default_rng(seed).normal(size=(3, *shape))


def three32(shape=(6, 4), seed=0):
    return [z.astype("float32") for z in three(shape, seed)]


def reference(mixed, z1, z2, order=ORDER, a=0.3, epsilon=1e-5):
    if epsilon is not None:
        mixed, z1, z2 = ((z - z.mean(0)) / np.sqrt(z.var(0) + epsilon) for z in (mixed, z1, z2))
    n, d = z1.shape

    def correlation(u, v, i, j):
        return sum(u[b, i] * v[b, j] for b in range(n)) / n

    total = 0.0
    for z in (z1, z2):
        for i in range(d):
            for j in range(d):
                target = a * correlation(z1, z, i, j) + (1 - a) * correlation(z2[order], z, i, j)
                total += (correlation(mixed, z, i, j) - target) ** 2
    return total


@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("epsilon", [1e-5, None])
def test_equals_the_loops(a, epsilon):
    z = three32()
    expected = reference(*(x.astype("float64") for x in z), a=a, epsilon=epsilon)
    assert float(mixup_correlation_regularizer(*z, ORDER, a, epsilon)) == pytest.approx(expected, rel=1e-5)


def test_a_linear_encoder_costs_nothing_where_embeddings_are_taken_as_they_are():
    x1, x2, _ = three32((6, 5))
    weights = np.random.default_rng(5).normal(size=(5, 4)).astype("float32")
    for a in (0.0, 0.25, 0.8, 1.0):
        mixed = a * x1 + (1 - a) * x2[ORDER]
        z = [x @ weights for x in (mixed, x1, x2)]
        assert float(mixup_correlation_regularizer(*z, ORDER, a, None)) < 1e-9
    # Standardised, the mixture is scaled up again: that is the released code's regularizer too.
    mixed = 0.5 * x1 + 0.5 * x2[ORDER]
    z = [x @ weights for x in (mixed, x1, x2)]
    assert float(mixup_correlation_regularizer(*z, ORDER, 0.5)) > 1e-2


def test_an_unmixed_sample_costs_nothing():
    _, z1, z2 = three32()
    assert float(mixup_correlation_regularizer(z1, z1, z2, ORDER, 1.0)) < 1e-10
    assert float(mixup_correlation_regularizer(z2[ORDER], z1, z2, ORDER, 0.0)) < 1e-10
    assert float(mixup_correlation_regularizer(z2, z1, z2, ORDER, 0.0)) > 1e-2


def test_scale_and_shift_of_a_dimension_do_not_matter():
    m, z1, z2 = three32()
    scale, shift = np.random.default_rng(2).uniform(0.5, 3, (2, 3, 1, 4)).astype("float32")
    changed = [z * s + t for z, s, t in zip((m, z1, z2), scale, shift, strict=True)]
    expected = float(mixup_correlation_regularizer(m, z1, z2, ORDER, 0.3, 0.0))
    assert float(mixup_correlation_regularizer(*changed, ORDER, 0.3, 0.0)) == pytest.approx(expected, rel=1e-4)


def test_gradient_equals_finite_differences_in_the_target_too(value_and_gradients, finite_differences, tolerance):
    z = three(seed=3)
    value, gradients = value_and_gradients(lambda *z: mixup_correlation_regularizer(*z, ORDER, 0.3, 1e-3), *z)
    expected = finite_differences(lambda *z: reference(*z, epsilon=1e-3), *z)
    assert value == pytest.approx(reference(*z, epsilon=1e-3), rel=10 * tolerance)
    np.testing.assert_allclose(gradients, expected, atol=10 * tolerance)
    assert all(np.abs(g).max() > 1e-3 for g in gradients)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded):
    pairs = [rounded(z * magnitude, dtype) for z in three()]
    loss = mixup_correlation_regularizer(*(z for z, _ in pairs), ORDER, 0.3)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(*(exact for _, exact in pairs)), rel=1e-4)


def test_compiled_equals_eager(compiled):
    z = three32()
    expected = float(mixup_correlation_regularizer(*z, ORDER, 0.3))
    assert compiled(lambda m, a, b: mixup_correlation_regularizer(m, a, b, ORDER, 0.3), *z) == pytest.approx(
        expected, rel=1e-5
    )


def test_refuses_embeddings_of_different_shapes():
    z = np.ones((6, 3), "float32")
    with pytest.raises(ValueError, match="Received: shapes"):
        mixup_correlation_regularizer(z[:, :2], z, z, ORDER, 0.5)
    with pytest.raises(ValueError, match="Received: shapes"):
        mixup_correlation_regularizer(z, z, z[:4], ORDER, 0.5)
