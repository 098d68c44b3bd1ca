import keras
import numpy as np
import pytest

from keras_ssl.losses.dino_loss import dino_loss, teacher_distributions
from tests.losses.test_swapped_prediction_loss import float32, softmax, views
from tests.losses.test_swapped_prediction_loss import reference as swapped

CENTER = np.array([0.5, -1.0, 0.2, 0.0])


def reference(students, teachers, student_temperature=0.1, teacher_temperature=0.04, center=CENTER):
    targets = [softmax((view - center) / teacher_temperature) for view in teachers]
    return swapped([view / student_temperature for view in students], targets)


@pytest.mark.parametrize(("students", "teachers"), [(2, 2), (5, 2), (3, 1)])
def test_equals_the_loops(students, teachers):
    s, t = views(students), views(teachers, seed=1)
    found = float(dino_loss(float32(s), float32(t), center=CENTER.astype("float32")))
    assert found == pytest.approx(reference(s, t), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, np.full((5, 1), 0.5, "float32")])
def test_sinkhorn_shares_the_samples_out_among_the_outputs(temperature):
    s, t = views(3), views(2, seed=1)
    targets = []
    for view in t:
        codes = np.exp(view / 0.5)
        for _ in range(3):
            codes = codes / codes.sum(axis=0)
            codes = codes / codes.sum(axis=1, keepdims=True)
        targets.append(codes)
    found = dino_loss(float32(s), float32(t), 0.1, temperature, sinkhorn_iterations=3)
    assert float(found) == pytest.approx(swapped([view / 0.1 for view in s], targets), rel=1e-5)
    even = teacher_distributions(float32(t), temperature, sinkhorn_iterations=100)
    for codes in even:
        np.testing.assert_allclose(keras.ops.convert_to_numpy(codes).mean(axis=0), 0.25, atol=1e-4)
    # A center changes every row alike, which the shares take out again.
    moved = dino_loss(float32(s), float32(t), 0.1, temperature, CENTER.astype("float32"), sinkhorn_iterations=100)
    still = dino_loss(float32(s), float32(t), 0.1, temperature, sinkhorn_iterations=100)
    assert float(moved) == pytest.approx(float(still), rel=1e-3)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    s, t = views(3), views(2, seed=1)

    def loss(*a):
        unused = keras.ops.sum(a[3] + a[4]) + keras.ops.sum(a[5])  # so that there is a gradient at all
        return dino_loss(a[:3], a[3:5], 0.5, 0.3, a[5]) + 0.0 * unused

    value, gradients = value_and_gradients(loss, *s, *t, CENTER)
    assert value == pytest.approx(reference(s, t, 0.5, 0.3), rel=max(tolerance, 1e-6))
    expected = finite_differences(lambda *a: reference(a, t, 0.5, 0.3), *s)
    for have, want in zip(gradients[:3], expected, strict=True):
        np.testing.assert_allclose(have, want, atol=max(tolerance, 1e-6))
    assert all(not np.any(gradient) for gradient in gradients[3:])


def test_student_equal_to_teacher_on_identical_views_gives_the_entropy_of_the_teacher():
    # methods.tsv S016: the cross-entropy equals the teacher's entropy.
    view = views(1)[0]
    p = softmax(view / 0.2)
    entropy = -(p * np.log(p)).sum(1).mean()
    found = float(dino_loss(float32([view, view]), float32([view, view]), 0.2, 0.2))
    assert found == pytest.approx(entropy, rel=1e-5)


def test_equal_student_logits_are_at_chance():
    students = [np.full((5, 4), 2.0, "float32")] * 3
    assert float(dino_loss(students, float32(views(2)))) == pytest.approx(np.log(4), rel=1e-5)


def test_a_shift_of_the_teacher_that_the_center_shares_changes_nothing():
    s, t = float32(views(2)), float32(views(2, seed=1))
    shift = CENTER.astype("float32")
    moved = float(dino_loss(s, [view + shift for view in t], center=shift))
    assert moved == pytest.approx(float(dino_loss(s, t)), rel=1e-4)


def test_temperatures_may_come_for_each_sample(compiled):
    s, t = float32(views(2)), float32(views(2, seed=1))
    column = np.full((5, 1), 0.07, "float32")
    expected = float(dino_loss(s, t, 0.1, 0.07))
    assert float(dino_loss(s, t, 0.1, column)) == pytest.approx(expected, rel=1e-5)
    assert compiled(lambda a, b, c, d: dino_loss([a, b], [c, d], 0.1, 0.07), *s, *t) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype, rounded):
    (a, exact_a), (b, exact_b) = (rounded(view * 30, dtype) for view in views(2))
    found = float(dino_loss([a, b], [a, b], center=CENTER.astype("float32")))
    assert found == pytest.approx(reference([exact_a, exact_b], [exact_a, exact_b]), rel=1e-4)


@pytest.mark.parametrize("name", ["student_temperature", "teacher_temperature"])
def test_refuses_a_temperature_that_is_not_positive(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        dino_loss(float32(views(2)), float32(views(2)), **{name: 0})
