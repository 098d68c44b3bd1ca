"""What BYOL computes, against a slow reference, closed forms and limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder


class TestBYOL:
    def model(self, **options):
        return keras_ssl.BYOL(encoder(), projector=(8, 6), predictor=(8, 6), views=cheap_views(), **options)

    def test_equals_the_reference(self):
        p1, p2, t1, t2 = (draws(5, 6, seed=seed) for seed in range(4))
        loss, _ = self.model().objective({"p1": p1, "p2": p2, "t1": t1, "t2": t2}, Step.at(1))
        expected = sum(np.mean(np.sum((unit(p) - unit(t)) ** 2, axis=1)) for p, t in ((p1, t2), (p2, t1)))
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    def test_perfect_prediction_is_zero_and_opposite_is_eight(self):
        t1, t2 = draws(5, 6), draws(5, 6, seed=1)
        model = self.model()
        assert value(model.objective({"p1": t2, "p2": t1, "t1": t1, "t2": t2}, Step.at(1))[0]) == pytest.approx(
            0, abs=1e-5
        )
        assert value(model.objective({"p1": -t2, "p2": -t1, "t1": t1, "t2": t2}, Step.at(1))[0]) == pytest.approx(
            8, rel=1e-5
        )

    def test_teacher_with_momentum_zero_is_the_student(self):
        model = self.model(momentum=0.0, final_momentum=0.0)
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
        model.fit(np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8"), batch_size=8, verbose=0)
        mine = [w for module in model.teacher.modules for w in module.weights if "moving" not in w.name]
        student = [w for module in (model.encoder, model.projector) for w in module.trainable_weights]
        for a, b in zip(mine, student, strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-7)

    def test_momentum_follows_the_cosine(self):
        model = self.model(momentum=0.8)
        model.compile("sgd", run_eagerly=EAGERLY)
        x = np.random.RandomState(0).randint(0, 256, (16, 8, 8, 3)).astype("uint8")
        seen = model.fit(x, batch_size=16, epochs=4, verbose=0).history["momentum"]
        np.testing.assert_allclose(seen, [1 - 0.2 * (np.cos(np.pi * k / 4) + 1) / 2 for k in range(4)], rtol=1e-5)

    def test_widths_must_agree(self):
        with pytest.raises(ValueError, match="Received: projector=.*predictor"):
            keras_ssl.BYOL(encoder(), projector=(8, 6), predictor=(8, 5))
