import keras
import numpy as np
import pytest

from keras_ssl.losses.nnclr_loss import nearest_neighbors
from keras_ssl.losses.ressl_loss import ressl_loss


def arrays(*rows, width=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, width)) for count in rows]


def relations(row, bank, temperature):
    unit = [entry / np.linalg.norm(entry) for entry in bank]
    logits = np.array([row @ entry / np.linalg.norm(row) / temperature for entry in unit])
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def reference(s, t, bank, temperature=0.1, teacher_temperature=0.04):
    total = 0.0
    for student, teacher in zip(s, t, strict=True):
        p, q = relations(teacher, bank, teacher_temperature), relations(student, bank, temperature)
        total -= sum(a * np.log(b) for a, b in zip(p, q, strict=True))
    return total / len(s)


@pytest.mark.parametrize("shape", [(1, 3), (5, 2), (6, 9)])
def test_equals_the_loops(shape):
    s, t, bank = arrays(shape[0], shape[0], shape[1], seed=sum(shape))
    found = float(ressl_loss(*(x.astype("float32") for x in (s, t, bank)), 0.3, 0.2))
    assert found == pytest.approx(reference(s, t, bank, 0.3, 0.2), rel=1e-5)


def test_equal_relations_cost_their_entropy():
    s, bank = (x.astype("float32") for x in arrays(4, 9))
    entropy = np.mean([-np.sum(p * np.log(p)) for p in (relations(row, bank, 0.2) for row in s)])
    assert float(ressl_loss(s, 5.0 * s, bank, 0.2, 0.2)) == pytest.approx(entropy, rel=1e-5)
    other = np.roll(s, 1, axis=0)
    assert float(ressl_loss(other, s, bank, 0.2, 0.2)) > entropy + 0.1


def test_a_student_at_chance_costs_the_logarithm_of_the_bank():
    t, bank = (x.astype("float32") for x in arrays(4, 9))
    assert float(ressl_loss(np.zeros_like(t), t, bank)) == pytest.approx(np.log(9), rel=1e-5)


def test_a_cold_teacher_names_the_nearest_neighbor():
    s, t, bank = (x.astype("float32") for x in arrays(4, 4, 9))
    near = keras.ops.convert_to_numpy(nearest_neighbors(t, bank))
    expected = 0.0
    for row, neighbor in zip(s, near, strict=True):
        place = int(np.argmax(bank @ neighbor / np.linalg.norm(bank, axis=1)))
        expected -= np.log(relations(row, bank, 0.1)[place]) / len(s)
    assert float(ressl_loss(s, t, bank, 0.1, 1e-5)) == pytest.approx(expected, rel=1e-4)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    s, t, bank = arrays(4, 4, 5, seed=2)
    value, gradients = value_and_gradients(lambda s, t, b: ressl_loss(s, t, b, 0.5, 0.3), s, t, bank)
    assert value == pytest.approx(reference(s, t, bank, 0.5, 0.3), rel=tolerance)
    for have, want in zip(
        gradients, finite_differences(lambda s, t, b: reference(s, t, b, 0.5, 0.3), s, t, bank), strict=True
    ):
        np.testing.assert_allclose(have, want, atol=tolerance)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
def test_half_precision_is_computed_in_float32(dtype, magnitude, rounded, value_and_gradients):
    (s, exact_s), (t, exact_t), (bank, exact_bank) = (rounded(magnitude * x, dtype) for x in arrays(5, 5, 7))
    loss = ressl_loss(s, t, bank, 0.1, 0.01)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact_s, exact_t, exact_bank, 0.1, 0.01), rel=1e-4)
    _, gradients = value_and_gradients(lambda s, t: ressl_loss(s, t, bank), exact_s, exact_t, dtype=dtype)
    assert np.isfinite(gradients).all()


def test_compiled_equals_eager(compiled):
    s, t, bank = (x.astype("float32") for x in arrays(5, 5, 7))
    assert compiled(ressl_loss, s, t, bank) == pytest.approx(float(ressl_loss(s, t, bank)), rel=1e-5)


def test_errors():
    s, t, bank = (x.astype("float32") for x in arrays(5, 5, 7))
    with pytest.raises(ValueError, match="Received: temperature=0"):
        ressl_loss(s, t, bank, 0)
    with pytest.raises(ValueError, match="Received: teacher_temperature=-1"):
        ressl_loss(s, t, bank, teacher_temperature=-1)
    with pytest.raises(ValueError, match="Received: shapes"):
        ressl_loss(s[:4], t, bank)
