"""What DirectPred computes, against BYOL and closed forms."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.layers.symmetric_predictor import symmetric_matrix
from keras_ssl.training import Step
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


def array(tensor):
    return keras.ops.convert_to_numpy(tensor).copy()


def images(count=8):
    return np.random.RandomState(0).randint(0, 256, (count, 8, 8, 3)).astype("uint8")


class TestDirectPred:
    def test_loss_is_byols(self):
        p1, p2, t1, t2 = (draws(5, 12, seed=seed) for seed in range(4))
        embeddings = {"p1": p1, "p2": p2, "t1": t1, "t2": t2}
        mine, byols = (
            value(OBJECTIVES[name]().objective(embeddings, Step.at(1))[0]) for name in ("direct_pred", "byol")
        )
        assert mine == pytest.approx(byols, rel=1e-6)

    def test_predictor_is_set_from_the_projections_of_both_views(self):
        model = OBJECTIVES["direct_pred"]()
        z1, z2 = draws(6, 12), draws(6, 12, seed=1)
        model.compile("sgd", run_eagerly=EAGERLY)
        model.after_step({"z1": z1, "z2": z2}, keras.ops.convert_to_tensor(True), Step.at(1))
        z = np.concatenate([z1, z2]).astype("float64")
        np.testing.assert_allclose(array(model.predictor.correlation), z.T @ z / 12, atol=1e-5)
        expected = array(symmetric_matrix((z.T @ z / 12).astype("float32")))
        np.testing.assert_allclose(array(model.predictor.kernel), expected, atol=1e-4)

    def test_isotropic_projections_make_it_equal_no_predictor(self):
        # F = I: W is a multiple of the identity, which the normalized loss does not see.
        model = keras_ssl.DirectPred(encoder(), projector=(4,), views=cheap_views(), frequency=1)
        free = keras_ssl.DirectPred(encoder(), projector=(4,), views=cheap_views(), frequency=0)
        axes = np.sqrt(4.0) * np.eye(4, dtype="float32")
        model.predictor.update(axes)
        z, t = draws(5, 4), draws(5, 4, seed=1)
        losses = [
            value(m.objective({"p1": m.predictor(z), "p2": m.predictor(z), "t1": t, "t2": t}, Step.at(1))[0])
            for m in (model, free)
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] > 1.0

    @pytest.mark.slow
    def test_nothing_of_the_predictor_is_learned_but_it_moves(self):
        model = OBJECTIVES["direct_pred"]()
        assert all("predictor" not in weight.path for weight in model.trainable_weights)
        model.compile("sgd", run_eagerly=EAGERLY)
        model.fit(images(), batch_size=8, verbose=0)
        assert np.abs(array(model.predictor.kernel) - np.eye(12)).max() > 1e-2

    def test_frequency_zero_keeps_it_fixed(self):
        model = keras_ssl.DirectPred(encoder(), projector=(4,), views=cheap_views(), frequency=0)
        model.compile("sgd", run_eagerly=EAGERLY)
        model.fit(images(), batch_size=8, verbose=0)
        np.testing.assert_array_equal(array(model.predictor.kernel), np.eye(4))

    @pytest.mark.parametrize("momentum", [0.0, 1.0])
    def test_teacher_at_the_limits_of_its_momentum(self, momentum):
        model = keras_ssl.DirectPred(
            encoder(), projector=(4,), views=cheap_views(), momentum=momentum, final_momentum=momentum
        )
        before = [array(w) for w in model.teacher.modules[0].weights if "moving" not in w.path]
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
        model.fit(images(), batch_size=8, verbose=0)
        after = [array(w) for w in model.teacher.modules[0].weights if "moving" not in w.path]
        student = [array(w) for w in model.encoder.weights if "moving" not in w.path]
        for mine, target in zip(after, before if momentum else student, strict=True):
            np.testing.assert_allclose(mine, target, atol=1e-7)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"eps": -1}, "eps=-1"),
            ({"convention": "new"}, "convention='new'"),
            ({"correlation_momentum": 1}, "momentum=1"),
            ({"frequency": -1}, "frequency=-1"),
            ({"momentum": 2}, "momentum=2"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=f"Received: {message}"):
            keras_ssl.DirectPred(encoder(), projector=(4,), **options)
