"""What TiCo computes, against a slow reference, and how its running second moment moves."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.losses.test_tico_loss import reference
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder


def contents(model):
    return np.array(keras.ops.convert_to_numpy(model.covariance.contents))


class TestTiCo:
    def model(self, **options):
        return keras_ssl.TiCo(encoder(), projector=(6,), views=cheap_views(), **options)

    def test_equals_the_reference_with_the_batch_blended_in(self):
        model = self.model(contrast_weight=3.0, decay=0.7)
        z1, z2 = draws(7, 6), draws(7, 6, seed=1)
        past = np.cov(draws(20, 6, seed=2), rowvar=False).astype("float32")
        model.covariance.set_weights([past])
        loss, logs = model.objective({"z1": z1, "t2": z2}, Step.at(1))
        u = unit(z1.astype("float64"))
        covariance = 0.7 * past + 0.3 * u.T @ u / 7
        assert value(loss) == pytest.approx(reference(z1.astype("float64"), z2, covariance, 3.0), rel=1e-5)
        assert value(loss) == pytest.approx(value(logs["invariance"] + 3.0 * logs["contrast"]), rel=1e-6)

    def test_the_loss_that_is_told_at_chance_is_the_mean_over_random_directions(self):
        model = self.model(contrast_weight=3.0, decay=0.7)
        u = np.random.default_rng(0).normal(size=(20_000, 8, 6))
        u /= np.linalg.norm(u, axis=2, keepdims=True)
        covariance = 0.7 * np.eye(6) / 6 + 0.3 * np.einsum("bni,bnj->bij", u, u) / 8
        contrast = np.einsum("bni,bij,bnj->bn", u, covariance, u).mean()
        assert model.expected_range(8).initial == pytest.approx(1.0 + 3.0 * contrast, rel=3e-3)

    def test_the_state_follows_the_student_and_stands_still_without_an_update(self):
        model = self.model(decay=0.7)
        model.compile("sgd", run_eagerly=EAGERLY)
        z1, z2 = draws(7, 6), draws(7, 6, seed=1)
        model.after_step({"z1": z1, "t2": z2}, keras.ops.convert_to_tensor(False), Step.at(1))
        assert (contents(model) == 0).all()
        u = unit(z1.astype("float64"))
        model.after_step({"z1": z1, "t2": z2}, keras.ops.convert_to_tensor(True), Step.at(1))
        np.testing.assert_allclose(contents(model), 0.3 * u.T @ u / 7, atol=1e-6)
        model.after_step({"z1": z1, "t2": z2}, keras.ops.convert_to_tensor(True), Step.at(1))
        np.testing.assert_allclose(contents(model), 0.51 * u.T @ u / 7, atol=1e-6)

    @pytest.mark.slow
    def test_evaluation_changes_no_state(self):
        model = self.model()
        model.compile("sgd", run_eagerly=EAGERLY)
        images = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        model.fit(images, batch_size=8, verbose=0)
        before = contents(model)
        assert np.abs(before).max() > 0
        model.evaluate(images, batch_size=8, verbose=0)
        np.testing.assert_array_equal(contents(model), before)

    @pytest.mark.parametrize(("name", "bad"), [("contrast_weight", 0.0), ("decay", 1.0), ("momentum", 1.5)])
    def test_errors(self, name, bad):
        with pytest.raises(ValueError, match=f"{name}.*Received: {name}={bad}"):
            self.model(**{name: bad})
