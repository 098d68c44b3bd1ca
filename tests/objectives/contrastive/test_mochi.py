"""What MoCHi computes, against MoCo, its limit without mixes."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


def trained(objective, **options):
    keras.utils.set_random_seed(3)
    model = objective(encoder(), projector=(24, 12), queue_size=32, momentum=0.9, views=cheap_views(), **options)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    x = np.random.RandomState(0).randint(0, 256, (16, 8, 8, 3)).astype("uint8")
    return model.fit(x, batch_size=8, epochs=2, verbose=0).history["loss"], model.get_weights()


class TestMoCHi:
    @pytest.mark.slow
    def test_without_mixes_it_is_moco_bitwise(self):
        losses, weights = trained(keras_ssl.MoCHi, mixes=0, query_mixes=0, hardest=5)
        expected, theirs = trained(keras_ssl.MoCo)
        assert losses == expected
        for mine, other in zip(weights, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)

    @pytest.mark.slow
    def test_mixes_make_the_loss_larger_than_mocos(self):
        model = OBJECTIVES["mochi"]()
        q, k = draws(5, 12), draws(5, 12, seed=1)
        numbers = np.random.RandomState(2).random_sample((5, 3 * model.mixes + 2 * model.query_mixes))
        mine = value(model.objective({"q1": q, "k2": k, "draws": numbers.astype("float32")}, Step.at(1))[0])
        assert mine > value(model.objective({"q1": q, "k2": k}, Step.at(1))[0]) + 0.01

    def test_draws_are_new_in_each_step_and_for_each_sample(self):
        model = OBJECTIVES["mochi"]()
        x = np.zeros((4, 8, 8, 3), "uint8")
        first, again, later = (
            keras.ops.convert_to_numpy(model.embed({"x": x}, Step.at(4, training=False, index=step))["draws"])
            for step in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert (first != later).all() and (first[0] != first[1]).all()

    @pytest.mark.parametrize(
        "options", [{"mixes": -1}, {"query_mixes": 1.5}, {"hardest": 0}, {"hardest": 9}, {"temperature": 0}]
    )
    def test_errors(self, options):
        ((name, given),) = options.items()
        with pytest.raises(ValueError, match=f"Received: {name}={given}"):
            keras_ssl.MoCHi(encoder(), projector=(6,), **{"queue_size": 8, "hardest": 2, **options})
