import keras
import numpy as np
import pytest

from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.info_nce_loss import info_nce_loss


def pair(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(2, *shape))


def pair32(shape, seed=0):
    return list(pair(shape, seed).astype("float32"))


def reference(p, t):
    total = 0.0
    for a, b in zip(p, t, strict=True):
        a = [value / sum(v**2 for v in a) ** 0.5 for value in a]
        b = [value / sum(v**2 for v in b) ** 0.5 for value in b]
        total += sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return total / len(p)


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (6, 4)])
def test_equals_the_loops(shape):
    p, t = pair32(shape, seed=sum(shape))
    expected = reference(p.astype("float64"), t.astype("float64"))
    assert float(byol_loss(p, t)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_equal_orthogonal_and_opposite_embeddings_cost_zero_two_and_four():
    p = np.array([[1.0, 0.0], [0.0, -3.0]], "float32")
    across = np.array([[0.0, 2.0], [5.0, 0.0]], "float32")
    assert float(byol_loss(p, 7.0 * p)) == pytest.approx(0.0, abs=1e-6)
    assert float(byol_loss(p, across)) == pytest.approx(2.0, abs=1e-6)
    assert float(byol_loss(p, -0.1 * p)) == pytest.approx(4.0, abs=1e-6)


def test_two_samples_average():
    p = np.array([[1.0, 0.0], [1.0, 0.0]], "float32")
    t = np.array([[1.0, 0.0], [-1.0, 0.0]], "float32")
    assert float(byol_loss(p, t)) == pytest.approx(2.0, abs=1e-6)


def test_is_the_high_temperature_limit_of_info_nce_against_the_opposite_key():
    # One sample, one negative -t: InfoNCE = log(1 + exp(-2 cos / T)) = log 2 - cos / T + O(T^-2).
    p, t = pair32((1, 4))
    temperature = 100.0
    contrastive = float(info_nce_loss(p, t, temperature, negatives=-t))
    assert 2 + 2 * temperature * (contrastive - np.log(2)) == pytest.approx(float(byol_loss(p, t)), abs=0.02)


def test_depends_on_directions_alone():
    p, t = pair32((6, 4))
    lengths = np.random.default_rng(1).uniform(0.01, 100, (6, 1)).astype("float32")
    assert float(byol_loss(p * lengths, t / lengths)) == pytest.approx(float(byol_loss(p, t)), rel=1e-5)


def test_is_symmetric_and_blind_to_the_order_of_the_batch():
    p, t = pair32((6, 4))
    order = np.random.default_rng(1).permutation(6)
    expected = float(byol_loss(p, t))
    assert float(byol_loss(t, p)) == pytest.approx(expected, rel=1e-6)
    assert float(byol_loss(p[order], t[order])) == pytest.approx(expected, rel=1e-6)
    assert abs(float(byol_loss(p[order], t)) - expected) > 1e-2


def test_gradient_equals_finite_differences_and_reaches_the_target(value_and_gradients, finite_differences, tolerance):
    p, t = pair((6, 4), seed=2)
    value, gradients = value_and_gradients(byol_loss, p, t)
    assert value == pytest.approx(reference(p, t), rel=tolerance)
    np.testing.assert_allclose(gradients, finite_differences(reference, p, t), atol=tolerance)
    # Scaling a row changes nothing, so no gradient points along it.
    np.testing.assert_allclose((gradients[0] * p).sum(1), 0.0, atol=tolerance)
    assert np.abs(gradients[1]).max() > 1e-2


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_zero_row_costs_two_and_has_no_gradient(dtype, value_and_gradients):
    p, t = pair((1, 3))
    value, gradients = value_and_gradients(byol_loss, np.zeros_like(p), t, dtype=dtype)
    assert value == pytest.approx(2.0)
    np.testing.assert_array_equal(gradients, np.zeros((2, 1, 3)))


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (p, exact_p), (t, exact_t) = (rounded(z * magnitude, dtype) for z in pair((6, 4)))
    assert keras.backend.standardize_dtype(byol_loss(p, t).dtype) == "float32"
    assert float(byol_loss(p, t)) == pytest.approx(reference(exact_p, exact_t), rel=1e-5)
    _, gradients = value_and_gradients(byol_loss, exact_p, exact_t, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    p, t = pair32((6, 4))
    assert compiled(byol_loss, p, t) == pytest.approx(float(byol_loss(p, t)), rel=1e-5)


@pytest.mark.parametrize(("first", "second"), [((4, 3), (4, 2)), ((4, 3), (1, 3)), ((4, 3), (5, 3)), ((4,), (4,))])
def test_refuses_embeddings_of_different_shapes(first, second):
    # A prediction of 4 rows against a target of 1 would broadcast, and train on the wrong thing.
    with pytest.raises(ValueError, match="Received: shapes"):
        byol_loss(np.ones(first, "float32"), np.ones(second, "float32"))
