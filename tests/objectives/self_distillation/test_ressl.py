"""What ReSSL computes, against its loss and limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import ressl_loss
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


class TestReSSL:
    def test_relates_the_student_to_the_teacher_over_the_queue(self):
        model = OBJECTIVES["ressl"]()
        queue = keras.ops.convert_to_numpy(model.queue.contents)
        s, t = draws(5, 12), unit(draws(5, 12, seed=1))
        assert value(model.objective({"s1": s, "t2": t}, Step.at(1))[0]) == pytest.approx(
            value(ressl_loss(s, t, queue)), rel=1e-6
        )

    def test_student_that_relates_as_its_teacher_does_costs_the_entropy(self):
        model = keras_ssl.ReSSL(encoder(), (6,), queue_size=9, temperature=0.2, teacher_temperature=0.2)
        t = unit(draws(5, 6))
        logits = t @ keras.ops.convert_to_numpy(model.queue.contents).T / 0.2
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        entropy = -np.mean(np.sum(p * np.log(p), axis=1))
        assert value(model.objective({"s1": 3.0 * t, "t2": t}, Step.at(1))[0]) == pytest.approx(entropy, rel=1e-5)
        assert value(model.objective({"s1": -t, "t2": t}, Step.at(1))[0]) > entropy + 0.1

    def test_the_second_view_is_the_teachers(self):
        model = OBJECTIVES["ressl"]()
        model.explicit_views = False  # the views are ready
        x = np.random.RandomState(0).randint(0, 256, (2, 8, 8, 8, 3)).astype("uint8")
        step = Step.at(8, training=False)
        teach = lambda a, b: keras.ops.convert_to_numpy(model.embed({"x": (a, b)}, step)["t2"])  # noqa: E731
        np.testing.assert_array_equal(teach(x[0], x[1]), teach(x[1], x[1]))
        assert np.abs(teach(x[0], x[1]) - teach(x[0], x[0])).max() > 1e-3

    def test_queue_holds_the_teachers_embeddings_newest_first(self):
        model = OBJECTIVES["ressl"]()
        model.compile("sgd", run_eagerly=EAGERLY)
        before = keras.ops.convert_to_numpy(model.queue.contents).copy()
        x = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        model.fit(x, batch_size=8, verbose=0)
        after = keras.ops.convert_to_numpy(model.queue.contents)
        np.testing.assert_array_equal(after[8:], before[:-8])
        np.testing.assert_allclose(np.linalg.norm(after[:8], axis=1), 1.0, rtol=1e-5)

    def test_what_the_loss_is_at_chance_collapsed_and_at_least(self):
        model = OBJECTIVES["ressl"]()
        size, temperature = model.queue.size, model.temperature
        cosines = np.random.default_rng(0).normal(size=(200_000, model.embedding_dim))
        cosines = cosines[:, 0] / np.linalg.norm(cosines, axis=1)
        expected = model.expected_range(8)
        chance = np.log(size) + np.log(np.mean(np.exp(cosines / temperature)))
        assert expected.initial == pytest.approx(chance, rel=0.01)
        assert expected.collapsed == pytest.approx(np.log(size))
        assert expected.floor == pytest.approx(np.log(1 + (size - 1) * np.exp(-2 / temperature)))

    @pytest.mark.parametrize("name", ["temperature", "teacher_temperature"])
    def test_temperatures_must_be_positive(self, name):
        with pytest.raises(ValueError, match=f"Received: {name}=0"):
            keras_ssl.ReSSL(encoder(), (6,), queue_size=8, **{name: 0})

    def test_a_queue_smaller_than_the_batch_is_refused(self):
        model = keras_ssl.ReSSL(encoder(), (6,), queue_size=4, views=cheap_views())
        model.compile("sgd", run_eagerly=EAGERLY)
        with pytest.raises(ValueError, match="size=4"):
            model.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=8, verbose=0)
