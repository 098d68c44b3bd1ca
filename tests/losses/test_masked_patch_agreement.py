"""Cosines of masked patches: a slow reference, its ends, the teacher's side."""

import keras
import numpy as np
import pytest

from keras_ssl.losses.masked_patch_agreement import masked_patch_agreement
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def slow(students, teachers, chosen):
    values = []
    for s, t, c in zip(students.astype("float64"), teachers.astype("float64"), chosen, strict=True):
        cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b, use in zip(s, t, c, strict=True) if use]
        values.append(np.mean(cosines) if cosines else 0.0)
    return np.array(values)


def test_equals_the_reference():
    students, teachers = draws(5, 4, 6), draws(5, 4, 6, seed=1)
    chosen = (np.random.RandomState(2).rand(5, 4) < 0.6).astype("float32")
    chosen[3] = 0.0
    found = numbers(masked_patch_agreement(students, teachers, chosen))
    np.testing.assert_allclose(found, slow(students, teachers, chosen), rtol=1e-4, atol=1e-6)


def test_ends_and_half_the_squared_distance():
    z, chosen = draws(3, 4, 6), np.ones((3, 4), "float32")
    np.testing.assert_allclose(numbers(masked_patch_agreement(z, 3 * z, chosen)), 1.0, rtol=1e-5)
    np.testing.assert_allclose(numbers(masked_patch_agreement(z, -z, chosen)), -1.0, rtol=1e-5)
    other = draws(3, 4, 6, seed=1)
    one, two = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (z, other))
    half = ((one - two) ** 2).sum(axis=-1).mean(axis=1) / 2
    np.testing.assert_allclose(1 - numbers(masked_patch_agreement(z, other, chosen)), half, rtol=1e-4)


def test_refuses():
    with pytest.raises(ValueError, match=r"Received: students.shape=\(1, 2, 3\), teachers.shape=\(1, 2, 4\)"):
        masked_patch_agreement(np.ones((1, 2, 3)), np.ones((1, 2, 4)), np.ones((1, 2)))
