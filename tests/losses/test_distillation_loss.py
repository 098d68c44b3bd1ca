import keras
import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from keras_ssl.losses.distillation_loss import distillation_loss


def pair(shape=(5, 7), seed=0):
    return np.random.default_rng(seed).normal(size=(2, *shape))


def reference(student, teacher, temperature=1.0):
    rows = zip(student, teacher, strict=True)
    return np.mean([rel_entr(softmax(t / temperature), softmax(s / temperature)).sum() for s, t in rows])


@pytest.mark.parametrize("temperature", [1.0, 0.2, 5.0])
def test_equals_the_loops(temperature):
    s, t = pair()
    found = float(distillation_loss(s.astype("float32"), t.astype("float32"), temperature))
    assert found == pytest.approx(reference(s, t, temperature), rel=1e-5)


def test_equal_distributions_cost_nothing_and_pull_nowhere(value_and_gradients):
    s, _ = pair()
    value, gradients = value_and_gradients(lambda s: distillation_loss(s + 3.0, s), s, dtype="float32")
    assert value == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(gradients[0], 0.0, atol=1e-6)
    # Not even a rounding error is left where the logits are the same bits.
    _, (by_student,) = value_and_gradients(lambda s: distillation_loss(s, s), s, dtype="float32")
    np.testing.assert_array_equal(by_student, 0.0)


def test_a_certain_teacher_makes_it_a_cross_entropy():
    teacher = np.array([[100.0, 0.0], [0.0, 100.0]], "float32")
    student = np.array([[np.log(3.0), 0.0], [0.0, 0.0]], "float32")
    assert float(distillation_loss(student, teacher)) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2, rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    s, t = pair(seed=2)
    value, (by_student,) = value_and_gradients(lambda s: distillation_loss(s, keras.ops.cast(t, s.dtype), 0.7), s)
    assert value == pytest.approx(reference(s, t, 0.7), rel=max(tolerance, 1e-7))
    (expected,) = finite_differences(lambda s: reference(s, t, 0.7), s)
    np.testing.assert_allclose(by_student, expected, atol=max(tolerance, 1e-7))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    (s, exact_s), (t, exact_t) = (rounded(100 * x, dtype) for x in pair())
    loss = distillation_loss(s, t)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact_s, exact_t), rel=1e-4)


def test_compiled_equals_eager(compiled):
    s, t = pair().astype("float32")
    assert compiled(distillation_loss, s, t) == pytest.approx(float(distillation_loss(s, t)), rel=1e-5)


def test_errors():
    s, t = pair().astype("float32")
    with pytest.raises(ValueError, match="Received: temperature=0"):
        distillation_loss(s, t, 0)
    with pytest.raises(ValueError, match="Received: shapes"):
        distillation_loss(s[:4], t)
