import keras
import numpy as np
import pytest

from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.isr_loss import isr_loss, pair_reliability


def pair(count=6, width=4, seed=0):
    return np.random.default_rng(seed).normal(size=(2, count, width))


def softmax_of(a, b, temperature):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    logits = np.exp(a @ b.T / temperature)
    return logits / logits.sum(axis=1, keepdims=True)


def reference(z1, z2, matching, temperature, reliability):
    keys = np.array([z2[m] for m in matching])
    there, back = softmax_of(z1, keys, temperature), softmax_of(keys, z1, temperature)
    pairs = zip(reliability, np.diag(there), np.diag(back), strict=True)
    return sum(-r * (np.log(a) + np.log(b)) / 2 for r, a, b in pairs) / sum(reliability)


ORDER = np.array([2, 0, 5, 1, 4, 3], "int32")
TRUST = np.array([1.0, 0.5, 0.0, 0.25, 1.0, 0.1])


def test_equals_the_loops():
    z1, z2 = pair()
    found = float(isr_loss(*(z.astype("float32") for z in (z1, z2)), ORDER, 0.3, TRUST.astype("float32")))
    assert found == pytest.approx(reference(z1, z2, ORDER, 0.3, TRUST), rel=1e-5)


def test_full_reliability_and_identity_matching_make_it_info_nce():
    z1, z2 = pair().astype("float32")
    expected = 0.5 * (float(info_nce_loss(z1, z2, 0.2)) + float(info_nce_loss(z2, z1, 0.2)))
    for reliability in (np.ones(6, "float32"), np.full(6, 0.3, "float32"), None):
        found = float(isr_loss(z1, z2, np.arange(6, dtype="int32"), 0.2, reliability))
        assert found == pytest.approx(expected, rel=1e-5)


def test_reliability_zero_removes_a_pair():
    z1, z2 = pair().astype("float32")
    trust = np.array([1, 0, 1, 1, 0, 1], "float32")
    rows = [float(isr_loss(z1, z2, np.arange(6), 0.2, np.eye(6, dtype="float32")[i])) for i in (0, 2, 3, 5)]
    assert float(isr_loss(z1, z2, np.arange(6), 0.2, trust)) == pytest.approx(np.mean(rows), rel=1e-5)
    assert float(isr_loss(z1, z2, np.arange(6), 0.2, 0 * trust)) == 0.0


def test_gradient_equals_finite_differences_and_none_passes_the_reliability(
    value_and_gradients, finite_differences, tolerance
):
    z1, z2 = pair(seed=2)
    value, gradients = value_and_gradients(
        lambda a, b: isr_loss(a, 1.0 * b, ORDER, 0.5, keras.ops.cast(TRUST, a.dtype)), z1, z2
    )
    assert value == pytest.approx(reference(z1, z2, ORDER, 0.5, TRUST), rel=tolerance)
    expected = finite_differences(lambda a, b: reference(a, b, ORDER, 0.5, TRUST), z1, z2)
    np.testing.assert_allclose(gradients, expected, atol=tolerance)
    fixed = pair_reliability(z1.astype("float32"), z2.astype("float32"))
    _, live = value_and_gradients(lambda a, b: isr_loss(a, 1.0 * b, np.arange(6), 0.5, pair_reliability(a, b)), z1, z2)
    _, still = value_and_gradients(
        lambda a, b: isr_loss(a, 1.0 * b, np.arange(6), 0.5, keras.ops.cast(fixed, a.dtype)), z1, z2
    )
    np.testing.assert_allclose(live, still, atol=1e-5)


def test_reliability_is_that_of_its_formula():
    z1, z2 = pair()
    expected = np.sqrt(np.diag(softmax_of(z1, z2, 0.3)) * np.diag(softmax_of(z2, z1, 0.3)))
    found = keras.ops.convert_to_numpy(pair_reliability(z1.astype("float32"), z2.astype("float32"), 0.3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    basis = np.eye(4, dtype="float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(pair_reliability(basis, basis, 0.01)), 1.0, rtol=1e-5)
    same = np.ones((4, 3), "float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(pair_reliability(same, same)), 0.25, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded):
    (z1, exact1), (z2, exact2) = (rounded(magnitude * z, dtype) for z in pair())
    loss = isr_loss(z1, z2, ORDER, 0.1, TRUST.astype("float32"))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact1, exact2, ORDER, 0.1, TRUST), rel=1e-4)


def test_compiled_equals_eager(compiled):
    z1, z2 = pair().astype("float32")
    found = compiled(lambda a, b: isr_loss(a, b, ORDER, 0.1, pair_reliability(a, b)), z1, z2)
    assert found == pytest.approx(float(isr_loss(z1, z2, ORDER, 0.1, pair_reliability(z1, z2))), rel=1e-5)


def test_errors():
    z1, z2 = pair().astype("float32")
    with pytest.raises(ValueError, match="Received: temperature=0"):
        isr_loss(z1, z2, ORDER, 0)
    with pytest.raises(ValueError, match="Received: temperature=0"):
        pair_reliability(z1, z2, 0)
    with pytest.raises(ValueError, match="Received: shapes"):
        isr_loss(z1[:5], z2, ORDER)
