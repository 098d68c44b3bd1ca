"""What distillation from a random teacher starts from and leaves alone."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, encoder


def array(tensor):
    return keras.ops.convert_to_numpy(tensor).copy()


def images(count=16):
    return np.random.RandomState(0).randint(0, 256, (count, 8, 8, 3)).astype("uint8")


def model(distance, **options):
    return keras_ssl.RandomTeacherDistillation(encoder(), projector=(24, 12), distance=distance, **options)


def student(m):
    return [array(w) for module in m.student for w in module.trainable_weights]


def teacher(m):
    # Nothing of the teacher is trainable; its moving statistics are what alone may change.
    return [array(w) for module in m.teacher.modules for w in module.weights if "moving" not in w.path]


class TestRandomTeacherDistillation:
    def test_at_distance_zero_nothing_happens(self):
        m = model(0.0)
        before = student(m)
        for mine, theirs in zip(before, teacher(m), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        m.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
        logs = m.fit(images(), batch_size=8, epochs=2, verbose=0).history
        assert logs["loss"] == pytest.approx([0.0, 0.0], abs=1e-7)
        for mine, old in zip(student(m), before, strict=True):
            np.testing.assert_allclose(mine, old, atol=1e-6)

    @pytest.mark.slow
    def test_teacher_is_frozen_bit_by_bit_while_the_student_learns(self):
        m = model(0.5, temperature=0.1)
        before, started = teacher(m), student(m)
        assert not any(w.trainable for module in m.teacher.modules for w in module.weights)
        m.compile(keras.optimizers.Adam(1e-2), run_eagerly=EAGERLY)
        logs = m.fit(images(), batch_size=8, epochs=5, verbose=0).history
        assert logs["loss"][-1] < logs["loss"][0]
        for mine, old in zip(teacher(m), before, strict=True):
            np.testing.assert_array_equal(mine, old)
        assert all((mine != old).any() for mine, old in zip(student(m), started, strict=True))

    @pytest.mark.parametrize("distance", [0.3, 0.5, 1.0])
    def test_start_keeps_the_variance_of_every_weight(self, distance):
        m = keras_ssl.RandomTeacherDistillation(encoder(), projector=(512, 12), distance=distance)
        for mine, theirs in zip(student(m), teacher(m), strict=True):
            if mine.size > 4000:
                assert np.std(mine) == pytest.approx(np.std(theirs), rel=0.1)
                expected = (1 - distance) / np.hypot(1 - distance, distance)
                assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] == pytest.approx(expected, abs=0.06)
            elif mine.ndim < 2:
                np.testing.assert_array_equal(mine, theirs)

    def test_at_distance_one_the_student_is_a_network_of_its_own(self):
        m = model(1.0)
        kernels = [(a, b) for a, b in zip(student(m), teacher(m), strict=True) if a.ndim > 1]
        assert all((a != b).mean() > 0.9 for a, b in kernels)
        for a, b in kernels:
            np.testing.assert_array_equal(np.sort(a.ravel()), np.sort(b.ravel()))

    def test_loss_is_the_divergence_from_the_teacher(self):
        s, t = draws(5, 12), draws(5, 12, seed=1)
        p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (t.astype("float64"), s.astype("float64")))
        loss, _ = model(1.0).objective({"s1": s, "t1": t}, Step.at(1))
        assert value(loss) == pytest.approx(np.mean(np.sum(p * np.log(p / q), axis=1)), rel=1e-5)

    def test_of_two_views_the_teacher_sees_the_second(self):
        m = model(0.0)
        one, other = images().astype("float32"), images()[::-1].astype("float32")
        step = Step.at(16, training=False)
        z = m.embed({"x": (one, other)}, step)
        alone = m.embed({"x": (other, other)}, step)
        np.testing.assert_array_equal(array(z["t1"]), array(alone["t1"]))
        np.testing.assert_allclose(array(z["s1"])[::-1], array(z["t1"]), rtol=1e-4, atol=1e-5)

    def test_takes_the_images_as_they_are(self):
        assert not model(1.0).views.is_random

    @pytest.mark.parametrize(("name", "bad"), [("distance", -0.1), ("distance", 1.1), ("temperature", 0)])
    def test_errors(self, name, bad):
        with pytest.raises(ValueError, match=f"Received: {name}={bad}"):
            model(**{"distance": 0.5, name: bad})
