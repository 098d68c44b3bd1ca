"""What W-MSE computes, against a slow reference, and what it refuses."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.losses.test_whitening_mse_loss import reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder


class TestWMSE:
    def test_equals_the_reference_over_all_cuts_and_pairs_of_views(self):
        model = keras_ssl.WMSE(encoder(), projector=(3,), whitening_size=6, iterations=2, epsilon=0.1)
        z = [draws(12, 3, seed=seed) for seed in range(3)]
        rank = np.random.RandomState(9).rand(12, 2).astype("float32")
        loss, _ = model.objective({"z1": z[0], "z2": z[1], "z3": z[2], "rank": rank}, Step.at(1))
        exact = [x.astype("float64") for x in z]
        expected = np.mean(
            [
                reference(exact[i], exact[j], np.argsort(rank[:, cut]), 6, 0.1)
                for cut in range(2)
                for i, j in ((0, 1), (0, 2), (1, 2))
            ]
        )
        assert value(loss) == pytest.approx(expected, rel=1e-4)

    def test_the_cut_is_drawn_anew_in_every_step(self):
        model = keras_ssl.WMSE(encoder(), projector=(3,), whitening_size=4, views=cheap_views())
        images = np.zeros((8, 8, 8, 3), "uint8")
        ranks = [
            keras.ops.convert_to_numpy(model.embed({"x": images}, Step.at(8, index=step))["rank"]) for step in (0, 0, 1)
        ]
        np.testing.assert_array_equal(ranks[0], ranks[1])
        assert (np.argsort(ranks[0][:, 0]) != np.argsort(ranks[2][:, 0])).any()

    def test_the_whole_batch_is_whitened_by_default(self):
        model = keras_ssl.WMSE(encoder(), projector=(3,), epsilon=0.1)
        z1, z2 = draws(12, 3), draws(12, 3, seed=1)
        loss, _ = model.objective({"z1": z1, "z2": z2, "rank": np.zeros((12, 1), "float32")}, Step.at(1))
        expected = reference(z1.astype("float64"), z2.astype("float64"), np.arange(12), 12, 0.1)
        assert value(loss) == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"whitening_size": 4}, "more samples than dimensions.*Received: whitening_size=4"),
            ({"iterations": 0}, "iterations.*Received: iterations=0"),
            ({"epsilon": 1.5}, "epsilon.*Received: epsilon=1.5"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            keras_ssl.WMSE(encoder(), projector=(4,), **options)

    @pytest.mark.parametrize(("size", "batch", "message"), [(6, 8, "divide"), (None, 4, "more samples than dim")])
    def test_a_batch_that_cannot_be_whitened_is_refused_by_fit(self, size, batch, message):
        model = keras_ssl.WMSE(encoder(), projector=(4,), whitening_size=size, views=cheap_views())
        model.compile("sgd", run_eagerly=EAGERLY)
        with pytest.raises(ValueError, match=message):
            model.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=batch, verbose=0)
