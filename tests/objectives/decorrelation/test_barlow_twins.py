"""What Barlow Twins computes, against a slow reference, closed forms and limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, value
from tests.objectives.tiny import encoder


class TestBarlowTwins:
    def slow(self, z1, z2, weight):
        z1, z2 = z1.astype("float64"), z2.astype("float64")
        a = (z1 - z1.mean(0)) / np.sqrt(z1.var(0) + 1e-5)
        b = (z2 - z2.mean(0)) / np.sqrt(z2.var(0) + 1e-5)
        total = 0.0
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                c = np.mean(a[:, i] * b[:, j])
                total += (1 - c) ** 2 if i == j else weight * c**2
        return total

    def test_equals_the_reference(self):
        model = keras_ssl.BarlowTwins(encoder(), projector=(6,), redundancy_weight=0.3, scale=0.5)
        z1, z2 = draws(16, 6), draws(16, 6, seed=1)
        loss, logs = model.objective({"z1": z1, "z2": z2}, Step.at(1))
        assert value(loss) == pytest.approx(0.5 * self.slow(z1, z2, 0.3), rel=1e-5)
        assert value(loss) == pytest.approx(0.5 * value(logs["invariance"] + 0.3 * logs["redundancy"]), rel=1e-6)

    def test_views_pass_the_encoder_separately(self):
        """Each view with its own batch statistics: one batch of both would make equal views' twins differ."""
        model = keras_ssl.BarlowTwins(encoder(), projector=(6,))
        images = np.random.RandomState(0).rand(8, 8, 8, 3).astype("float32")
        embeddings = model.embed({"x": (images, 0.25 * images)}, Step.at(8))
        alone = model.embed({"x": (images, images)}, Step.at(8))
        np.testing.assert_allclose(*(keras.ops.convert_to_numpy(e["z1"]) for e in (embeddings, alone)), atol=1e-5)

    @pytest.mark.parametrize(("name", "bad"), [("redundancy_weight", -1.0), ("scale", 0.0)])
    def test_errors(self, name, bad):
        with pytest.raises(ValueError, match=f"{name}.*Received: {name}={bad}"):
            keras_ssl.BarlowTwins(encoder(), projector=(6,), **{name: bad})
