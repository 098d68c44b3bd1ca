import keras
import numpy as np
import pytest

from keras_ssl.losses.byol_loss import byol_loss
from keras_ssl.losses.simsiam_loss import simsiam_loss


def pair(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(2, *shape))


def reference(p, t):
    total = 0.0
    for a, b in zip(p, t, strict=True):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        total -= dot / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
    return total / len(p)


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (6, 4)])
def test_equals_the_loops(shape):
    p, t = pair(shape, seed=sum(shape))
    assert float(simsiam_loss(p.astype("float32"), t.astype("float32"))) == pytest.approx(reference(p, t), rel=1e-5)


def test_equal_orthogonal_and_opposite_embeddings():
    p = np.array([[1.0, 0.0], [0.0, -3.0]], "float32")
    across = np.array([[0.0, 2.0], [5.0, 0.0]], "float32")
    values = [float(simsiam_loss(p, target)) for target in (7.0 * p, across, -0.1 * p)]
    assert values == pytest.approx([-1.0, 0.0, 1.0], abs=1e-6)


def test_byols_is_two_plus_twice_it():
    p, t = pair((6, 4)).astype("float32")
    assert float(byol_loss(p, t)) == pytest.approx(2.0 + 2.0 * float(simsiam_loss(p, t)), rel=1e-6)


def test_gradient_equals_finite_differences_and_reaches_the_target(value_and_gradients, finite_differences, tolerance):
    p, t = pair((6, 4), seed=2)
    value, gradients = value_and_gradients(simsiam_loss, p, t)
    assert value == pytest.approx(reference(p, t), rel=tolerance)
    np.testing.assert_allclose(gradients, finite_differences(reference, p, t), atol=tolerance)
    assert np.abs(gradients[1]).max() > 1e-2


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (p, exact_p), (t, exact_t) = (rounded(z * magnitude, dtype) for z in pair((6, 4)))
    assert keras.backend.standardize_dtype(simsiam_loss(p, t).dtype) == "float32"
    assert float(simsiam_loss(p, t)) == pytest.approx(reference(exact_p, exact_t), rel=1e-5)
    _, gradients = value_and_gradients(simsiam_loss, exact_p, exact_t, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    p, t = pair((6, 4)).astype("float32")
    assert compiled(simsiam_loss, p, t) == pytest.approx(float(simsiam_loss(p, t)), rel=1e-5)


@pytest.mark.parametrize(("first", "second"), [((4, 3), (4, 2)), ((4, 3), (1, 3)), ((4,), (4,))])
def test_refuses_embeddings_of_different_shapes(first, second):
    with pytest.raises(ValueError, match="Received: shapes"):
        simsiam_loss(np.ones(first, "float32"), np.ones(second, "float32"))
