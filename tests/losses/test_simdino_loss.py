import numpy as np
import pytest

from keras_ssl.losses.simdino_loss import simdino_terms
from tests.losses.conftest import _value_and_gradients
from tests.losses.test_coding_rate import reference as slow_rate


def drawn(count, n=5, d=3, seed=0):
    return list(np.random.default_rng(seed).normal(size=(count, n, d)))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def reference(students, teachers, epsilon=0.5, with_teacher=True):
    n, d = students[0].shape
    cosines = []
    for t, teacher in enumerate(teachers):
        for s, student in enumerate(students):
            if s != t:
                for i in range(n):
                    a, b = teacher[i], student[i]
                    cosines.append(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))
    rates = []
    for s, t in zip(students, teachers, strict=False):
        rates.append(slow_rate((unit(s) + unit(t)) / 2 if with_teacher else unit(s), epsilon))
    return np.mean(cosines), (d + n) / (d * n) * np.mean(rates)


@pytest.mark.parametrize("with_teacher", [True, False])
@pytest.mark.parametrize("epsilon", [0.5, 0.05])
def test_equals_the_loops(with_teacher, epsilon):
    students, teachers = drawn(4), drawn(2, seed=1)
    found = simdino_terms(students, teachers, epsilon, with_teacher)
    for mine, theirs in zip(found, reference(students, teachers, epsilon, with_teacher), strict=True):
        assert float(mine) == pytest.approx(theirs, rel=1e-5)


def test_the_teacher_gets_no_gradient_and_the_length_none():
    students, teachers = drawn(3), drawn(2, seed=1)
    _, gradients = _value_and_gradients(lambda *v: sum(simdino_terms(v[:3], v[3:])), *students, *teachers)
    assert all(np.abs(part).max() > 1e-3 for part in gradients[:3]) and not any(part.any() for part in gradients[3:])
    for z, gradient in zip(students, gradients, strict=False):
        np.testing.assert_allclose(np.sum(z * gradient, axis=1), 0, atol=1e-5)  # along the row: its length


def test_with_teachers_that_are_the_students_both_rates_are_equal():
    students = drawn(2)
    first, second = (simdino_terms(students, students, with_teacher=with_teacher) for with_teacher in (True, False))
    assert float(first[1]) == pytest.approx(float(second[1]), rel=1e-6)


def test_rows_of_zeros_give_finite_gradients():
    zeros = [np.zeros((3, 2))] * 2
    value, gradients = _value_and_gradients(lambda *v: sum(simdino_terms(v, zeros)), *zeros)
    assert value == 0.0 and all(np.isfinite(part).all() for part in gradients)


@pytest.mark.parametrize(("students", "teachers"), [(1, 1), (2, 0), (2, 3)])
def test_refuses(students, teachers):
    with pytest.raises(ValueError, match="Received: students="):
        simdino_terms(drawn(students), drawn(teachers) if teachers else [])
