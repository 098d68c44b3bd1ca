"""What DINO computes: teacher, center, temperatures and the frozen last layer."""

import sys

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.dino_loss import dino_loss, teacher_distributions
from keras_ssl.training import Step
from tests.losses.test_dino_loss import reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


def make(**options):
    defaults = {"projector": (6, 4), "out_dim": 5, "freeze_steps": 0, "momentum": 0.9, "views": cheap_views()}
    model = keras_ssl.DINO(encoder(), **{**defaults, **options})
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    return model


def images(count=24):
    return np.random.RandomState(0).randint(0, 256, (count, 16, 16, 3)).astype("uint8")


def array(x):
    return keras.ops.convert_to_numpy(x).copy()


def embeddings(students=3, n=8):
    s = {f"s{number}": draws(n, 5, seed=number) for number in range(1, students + 1)}
    t = {f"t{number}": draws(n, 5, seed=10 + number) for number in (1, 2)}
    return {"z1": draws(n, 4), **s, **t}


def test_equals_the_reference():
    model, given = make(teacher_temperature=0.05), embeddings()
    model.centering.update(draws(8, 5, seed=3))
    students, teachers = (
        [v.astype("float64") for k, v in given.items() if k[0] == kind and len(k) == 2] for kind in "st"
    )
    expected = reference(students, teachers, 0.1, 0.05, array(model.centering.center).astype("float64"))
    loss, logs = model.objective(given, Step.at(1))
    assert value(loss) == pytest.approx(expected, rel=1e-4)
    assert 0.0 < value(logs["teacher_entropy"]) < np.log(5)


@pytest.mark.parametrize("iterations", [0, 3])
def test_each_teachers_distribution_is_computed_once(monkeypatch, iterations):
    model, given, seen = make(sinkhorn_iterations=iterations), embeddings(), []
    name = "sinkhorn" if iterations else "teacher_distributions"
    module = sys.modules[dino_loss.__module__ if iterations else keras_ssl.DINO.__module__]
    function = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *a: seen.append(a) or function(*a))
    loss, logs = model.objective(given, Step.at(1))
    assert len(seen) == (2 if iterations else 1)
    students, teachers = [given[f"s{n}"] for n in (1, 2, 3)], [given["t1"], given["t2"]]
    how = (np.float32(model.teacher_temperature), model.centering.center, iterations)
    assert value(loss) == value(dino_loss(students, teachers, 0.1, *how))
    first = array(teacher_distributions(teachers, *how)[0])
    assert value(logs["teacher_entropy"]) == pytest.approx(-(first * np.log(first + 1e-12)).sum(1).mean(), rel=1e-5)


def test_the_center_follows_the_teachers_outputs_over_the_batch():
    model, given = make(center_momentum=0.5), embeddings()
    model.after_step(given, keras.ops.convert_to_tensor(False), Step.at(8))
    np.testing.assert_array_equal(array(model.centering.center), 0.0)
    model.after_step(given, keras.ops.convert_to_tensor(True), Step.at(8))
    expected = 0.5 * np.concatenate([given["t1"], given["t2"]]).mean(0)
    np.testing.assert_allclose(array(model.centering.center), expected, rtol=1e-5)


@pytest.mark.slow
def test_the_center_moves_once_for_each_update():
    model = make()
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), run_eagerly=EAGERLY)
    model.fit(images(12), batch_size=12, verbose=0)
    np.testing.assert_array_equal(array(model.centering.center), 0.0)
    model.fit(images(12), batch_size=12, verbose=0)
    assert np.abs(array(model.centering.center)).max() > 0


@pytest.mark.slow
def test_the_teachers_last_layer_follows_and_gets_no_gradient():
    model = make(momentum=0.5, final_momentum=None)
    student, teacher = model.last_layer.kernel, model.teacher.modules[2].kernel
    np.testing.assert_array_equal(array(teacher), array(student))
    start = array(student)
    model.fit(images(12), batch_size=12, verbose=0)
    assert np.abs(array(student) - start).max() > 0 and not teacher.trainable
    np.testing.assert_allclose(array(teacher), 0.5 * start + 0.5 * array(student), atol=1e-6)


def test_the_last_layer_stands_still_at_first():
    model = make(freeze_steps=2)
    start = array(model.last_layer.kernel)
    model.fit(images(24), batch_size=12, verbose=0)
    np.testing.assert_array_equal(array(model.last_layer.kernel), start)
    model.fit(images(12), batch_size=12, verbose=0)
    assert np.abs(array(model.last_layer.kernel) - start).max() > 0


@pytest.mark.slow
def test_the_teachers_temperature_warms_up_by_updates_and_is_final_in_evaluation():
    model = make(warmup_temperature=0.02, teacher_temperature=0.06, warmup_steps=4)
    seen = [model.fit(images(12), batch_size=12, verbose=0).history["teacher_temperature"][0] for _ in range(6)]
    np.testing.assert_allclose(seen, [0.02, 0.03, 0.04, 0.05, 0.06, 0.06], rtol=1e-5)
    fresh = make(warmup_temperature=0.02, teacher_temperature=0.06, warmup_steps=4)
    logs = fresh.evaluate(images(12), return_dict=True, verbose=0)
    assert logs["teacher_temperature"] == pytest.approx(0.06, rel=1e-5)


@pytest.mark.slow
def test_local_crops_go_through_the_student_only():
    model = OBJECTIVES["dino"]()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    names = list(model.embed({"x": images(4)}, Step.at(4)))
    assert names == ["z1", "s1", "s2", "s3", "s4", "t1", "t2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out_dim": 0}, "count=0"),
        ({"global_crops": 0}, "global_crops=0"),
        ({"student_temperature": 0}, "student_temperature=0"),
        ({"teacher_temperature": -1}, "teacher_temperature=-1"),
        ({"warmup_temperature": 0}, "warmup_temperature=0"),
        ({"warmup_steps": -1}, "warmup_steps=-1"),
        ({"momentum": 2}, "momentum=2"),
        ({"center_momentum": 2}, "momentum=2"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        make(**options)


def test_more_global_crops_than_views():
    with pytest.raises(ValueError, match="Received: global_crops=3, 2 views"):
        make(global_crops=3).fit(images(), batch_size=12, verbose=0)
