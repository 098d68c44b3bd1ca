import keras
import numpy as np
import pytest

from keras_ssl.losses import dino_loss, identity_distillation_loss

RNG = np.random.default_rng(0)
STUDENTS, TEACHERS = RNG.normal(size=(3, 6, 5)), RNG.normal(size=(2, 6, 5))
IDENTITIES = np.array([4, 1, 4, -1, 4, 1], "int32")
CENTER = RNG.normal(size=5).astype("float32")


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def reference(students, teachers, identities, ts=0.1, tt=0.04, center=0.0):
    def cross(i, j):
        found = []
        for t in range(len(teachers)):
            for s in range(len(students)):
                if s != t:
                    p, q = softmax((teachers[t][i] - center) / tt), softmax(students[s][j] / ts)
                    found.append(-np.sum(p * np.log(q)))
        return np.mean(found)

    groups, n = {}, len(identities)
    for i in range(n):
        groups.setdefault(identities[i] if identities[i] >= 0 else ("alone", i), []).append(i)
    losses = []
    for members in groups.values():
        own = np.mean([cross(i, i) for i in members])
        others = sum(cross(i, j) for i in members for j in members if i != j)
        losses.append((own + others) / (len(members) * (len(members) - 1) + 1))
    return np.mean(losses)


@pytest.mark.parametrize("temperatures", [(0.5, 0.3), (0.1, 0.04)])
def test_equals_the_loops(temperatures):
    s, t = list(STUDENTS.astype("float32")), list(TEACHERS.astype("float32"))
    found = float(identity_distillation_loss(s, t, IDENTITIES, *temperatures, CENTER))
    assert found == pytest.approx(reference(STUDENTS, TEACHERS, IDENTITIES, *temperatures, CENTER), rel=1e-4)


@pytest.mark.parametrize("identities", [np.arange(6), np.full(6, -1)])
@pytest.mark.parametrize("iterations", [0, 3])
def test_one_image_each_is_dino_with_its_gradients(identities, iterations, value_and_gradients):
    def mine(a, b, c):
        return identity_distillation_loss(
            [a, b, c], [keras.ops.cast(t, a.dtype) for t in TEACHERS], identities, 0.3, 0.2, CENTER, iterations
        )

    def theirs(a, b, c):
        return dino_loss(
            [a, b, c],
            [keras.ops.cast(t, a.dtype) for t in TEACHERS],
            0.3,
            0.2,
            keras.ops.cast(CENTER, a.dtype),
            iterations,
        )

    (value, gradients), (expected, others) = (value_and_gradients(f, *STUDENTS) for f in (mine, theirs))
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradients, others, atol=1e-6)


def test_a_student_that_is_the_teacher_has_the_teachers_entropy():
    views = [TEACHERS[0], TEACHERS[0]]
    found = float(identity_distillation_loss(views, views, np.arange(6), 0.5, 0.5))
    p = np.array([softmax(row / 0.5) for row in TEACHERS[0]])
    assert found == pytest.approx(-np.sum(p * np.log(p), axis=1).mean(), rel=1e-5)


def test_gradient_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    def fast(a, b):
        return identity_distillation_loss([a, b], list(TEACHERS), IDENTITIES, 0.5, 0.3)

    _, gradients = value_and_gradients(fast, *STUDENTS[:2])
    expected = finite_differences(lambda a, b: reference([a, b], TEACHERS, IDENTITIES, 0.5, 0.3), *STUDENTS[:2])
    np.testing.assert_allclose(gradients, expected, atol=tolerance)


def test_extreme_logits_stay_finite(value_and_gradients):
    value, gradients = value_and_gradients(
        lambda a, b: identity_distillation_loss([a, b], list(1e4 * TEACHERS), IDENTITIES),
        *(1e4 * STUDENTS[:2]),
        dtype="float32",
    )
    assert np.isfinite(value) and np.isfinite(gradients).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student_temperature": 0}, "Received: student_temperature=0"),
        ({"teacher_temperature": -1.0}, "Received: teacher_temperature=-1.0"),
        ({"students": [STUDENTS[0]], "teachers": [TEACHERS[0]]}, "Received: 1 student views, 1 teacher views"),
        ({"identities": IDENTITIES[:2]}, r"Received: identities.shape=\(2,\)"),
        ({"identities": IDENTITIES / 2}, "Received: identities.dtype=float"),
    ],
)
def test_errors(options, message):
    defaults = {"students": list(STUDENTS), "teachers": list(TEACHERS), "identities": IDENTITIES}
    with pytest.raises(ValueError, match=message):
        identity_distillation_loss(**{**defaults, **options})


def test_compiles(compiled):
    s, y = STUDENTS[0].astype("float32"), IDENTITIES
    found = compiled(lambda a, i: identity_distillation_loss([a, a], [a, a], i, 0.5, 0.3), s, y)
    assert found == pytest.approx(
        float(keras.ops.convert_to_numpy(identity_distillation_loss([s, s], [s, s], y, 0.5, 0.3))), rel=1e-5
    )
