"""What distillation over a queue computes, and what is no part of the model: the teacher."""

import warnings

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.similarity_distillation_loss import similarity_distillation_loss
from keras_ssl.testing.tiny_model import cheap_views, tiny_encoder, tiny_model
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, unit

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def slow(student, teacher, queue, temperature):
    """Entry by entry, in float64."""
    student, teacher, queue = (unit(part.astype("float64")) for part in (student, teacher, queue))
    values = []
    for s, t in zip(student, teacher, strict=True):
        p, q = (np.exp([row @ x / temperature for row in queue]) for x in (t, s))
        p, q = p / p.sum(), q / q.sum()
        values.append(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True)))
    return np.asarray(values)


def test_loss_equals_the_reference():
    student, teacher, queue = draws(5, 6), draws(5, 6, seed=1), draws(9, 6, seed=2)
    found = numbers(similarity_distillation_loss(student, teacher, queue, 0.3))
    np.testing.assert_allclose(found, slow(student, teacher, queue, 0.3), rtol=1e-4)


def test_a_student_like_its_teacher_costs_nothing_and_others_do():
    teacher, queue = draws(5, 6), draws(9, 6, seed=2)
    np.testing.assert_allclose(numbers(similarity_distillation_loss(3 * teacher, teacher, queue)), 0.0, atol=1e-5)
    assert (numbers(similarity_distillation_loss(-teacher, teacher, queue)) > 0.1).all()


def test_a_queue_of_one_row_teaches_nothing():
    """Limit: of one row both distributions are certain."""
    found = numbers(similarity_distillation_loss(draws(4, 6), draws(4, 6, seed=1), draws(1, 6)))
    np.testing.assert_allclose(found, 0.0, atol=1e-6)


def test_no_gradient_reaches_teacher_and_queue():
    _, gradients = differentiate(
        lambda s, t, q: keras.ops.sum(similarity_distillation_loss(s, t, q)),
        draws(4, 6),
        draws(4, 6, seed=1),
        draws(7, 6),
    )
    assert [bool(np.any(gradient)) for gradient in gradients] == [True, False, False]


def test_the_teacher_is_named_and_no_part_of_the_model(tmp_path):
    model = tiny_model("SimilarityDistillation")
    assert model.get_config()["teacher"] == "barlow_digits"
    teacher = keras_ssl.load("barlow_digits")
    assert model.count_params() < teacher.count_params()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    assert (tmp_path / "model.keras").stat().st_size < 200_000


def test_the_teacher_sees_the_view_and_the_queue_takes_its_features():
    model = tiny_model("SimilarityDistillation", views=None)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=keras.backend.backend() == "tensorflow")
    model.fit((IMAGES, IMAGES), batch_size=8, shuffle=False, verbose=0)
    expected = unit(keras_ssl.load("barlow_digits").predict(IMAGES, verbose=0))
    np.testing.assert_allclose(numbers(model.queue.contents)[:8], expected, atol=1e-4)


def test_a_teacher_in_memory_trains_and_cannot_be_saved():
    teacher = tiny_encoder()
    before = [weight.copy() for weight in teacher.get_weights()]
    model = keras_ssl.SimilarityDistillation(tiny_encoder(), teacher, queue_size=16, views=cheap_views())
    model.compile("sgd", run_eagerly=keras.backend.backend() == "tensorflow")
    model.fit(IMAGES, batch_size=8, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, teacher.get_weights(), strict=True))
    with pytest.raises(ValueError, match="cannot be saved: export the model"):
        model.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"teacher": 3}, "Received: 3"), ({"teacher": "no_such_entry"}, "no_such_entry"), ({"temperature": 0}, "=0")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        tiny_model("SimilarityDistillation", **options)


def test_a_queue_smaller_than_the_batch_is_refused():
    model = tiny_model("SimilarityDistillation", queue_size=4)
    model.compile("sgd")
    with pytest.raises(ValueError, match="size=4"):
        model.fit(IMAGES, batch_size=8, verbose=0)


@pytest.mark.parametrize("front", [(), (255.0,)])
def test_a_teacher_of_pixels_to_255_is_told_what_it_is_given(front):
    layers = [*(keras.layers.Rescaling(scale) for scale in front), keras.layers.Rescaling(1 / 127.5, -1.0)]
    pool = keras.layers.GlobalAveragePooling2D()
    teacher = keras.Sequential([keras.Input((16, 16, 3)), *layers, keras.layers.Conv2D(8, 3), pool])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        keras_ssl.SimilarityDistillation(tiny_encoder(), teacher=teacher, queue_size=32, views=cheap_views())
    assert sum("pixels from 0 to 255" in str(one.message) for one in caught) == (not front)
