import keras
import numpy as np
import pytest

from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.nnclr_loss import nearest_neighbors, nnclr_loss


def arrays(*rows, width=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, width)) for count in rows]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


def reference(z, p, bank, temperature=0.1):
    total = 0.0
    for i, row in enumerate(z):
        neighbor = max(bank, key=lambda entry: cosine(row, entry))
        logits = [cosine(neighbor, other) / temperature for other in p]
        total += np.log(np.sum(np.exp(logits))) - logits[i]
    return total / len(z)


@pytest.mark.parametrize("shape", [(1, 3), (5, 2), (6, 9)])
def test_equals_the_loops(shape):
    z, p, bank = arrays(shape[0], shape[0], shape[1], seed=sum(shape))
    found = float(nnclr_loss(*(x.astype("float32") for x in (z, p, bank)), 0.3))
    assert found == pytest.approx(reference(z, p, bank, 0.3), rel=1e-5, abs=1e-6)


def test_a_bank_of_the_embeddings_themselves_makes_it_info_nce():
    z, p = (x.astype("float32") for x in arrays(6, 6))
    assert float(nnclr_loss(z, p, 3.0 * z[::-1], 0.2)) == pytest.approx(float(info_nce_loss(z, p, 0.2)), rel=1e-6)


def test_a_bank_of_one_row_is_at_chance_or_above():
    # All queries are one and the same: the mean over i of -log softmax(.)_i is at least log N.
    z, p, bank = (x.astype("float32") for x in arrays(6, 6, 1))
    assert float(nnclr_loss(z, p, bank)) >= np.log(6)
    assert float(nnclr_loss(z, np.ones_like(p), bank)) == pytest.approx(np.log(6), rel=1e-5)


def test_neighbors_are_unit_rows_of_the_bank():
    z, bank = (x.astype("float32") for x in arrays(5, 7))
    found = keras.ops.convert_to_numpy(nearest_neighbors(z, bank))
    for row, near in zip(z, found, strict=True):
        best = max(bank, key=lambda entry: cosine(row, entry))
        np.testing.assert_allclose(near, best / np.linalg.norm(best), rtol=1e-5)


def test_gradient_reaches_the_predictions_alone(value_and_gradients, finite_differences, tolerance):
    z, p, bank = arrays(5, 5, 7, seed=2)
    value, (by_prediction,) = value_and_gradients(
        lambda p: nnclr_loss(keras.ops.cast(z, p.dtype), p, keras.ops.cast(bank, p.dtype), 0.5), p
    )
    assert value == pytest.approx(reference(z, p, bank, 0.5), rel=tolerance)
    (expected,) = finite_differences(lambda p: reference(z, p, bank, 0.5), p)
    np.testing.assert_allclose(by_prediction, expected, atol=tolerance)
    joint = lambda z: nnclr_loss(z, z + 1.0, z, 0.5)  # noqa: E731
    fixed = lambda x: nnclr_loss(keras.ops.cast(z, x.dtype), x + 1.0, keras.ops.cast(z, x.dtype), 0.5)  # noqa: E731
    np.testing.assert_allclose(value_and_gradients(joint, z)[1], value_and_gradients(fixed, z)[1], atol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    (z, exact_z), (p, exact_p), (bank, exact_bank) = (rounded(100 * x, dtype) for x in arrays(5, 5, 7))
    loss = nnclr_loss(z, p, bank, 0.01)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact_z, exact_p, exact_bank, 0.01), rel=1e-4)


def test_compiled_equals_eager(compiled):
    z, p, bank = (x.astype("float32") for x in arrays(5, 5, 7))
    assert compiled(nnclr_loss, z, p, bank) == pytest.approx(float(nnclr_loss(z, p, bank)), rel=1e-5)


def test_errors():
    z, p, bank = (x.astype("float32") for x in arrays(5, 5, 7))
    with pytest.raises(ValueError, match="Received: temperature=0"):
        nnclr_loss(z, p, bank, 0)
    with pytest.raises(ValueError, match="Received: shapes"):
        nnclr_loss(z[:4], p, bank)
