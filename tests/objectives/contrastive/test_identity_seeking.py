"""What ISR computes, and that its matching finds pairs whatever their order."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import info_nce_loss
from keras_ssl.training import Step
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, cheap_views, encoder


def model(**options):
    return keras_ssl.IdentitySeeking(encoder(), projector=(24, 12), views=cheap_views(), **options)


class TestIdentitySeeking:
    @pytest.mark.slow
    def test_permuted_frame_is_put_in_order_and_its_order_does_not_matter(self):
        z1 = draws(9, 12)
        z2, order = z1 + 0.1 * draws(9, 12, seed=1), np.random.RandomState(3).permutation(9).astype("int32")
        isr = model(weighted=False)
        expected = 0.5 * (value(info_nce_loss(z1, z2, 0.1)) + value(info_nce_loss(z2, z1, 0.1)))
        plain, shuffled = model(weighted=False), model(weighted=False, shuffle=True)
        for isr, embeddings, matched in (
            (plain, {"z1": z1, "z2": z2}, 1.0),
            (plain, {"z1": z1, "z2": z2[order]}, np.mean(order == np.arange(9))),
            (shuffled, {"z1": z1, "z2": z2, "order": order}, 1.0),
        ):
            loss, logs = isr.objective(embeddings, Step.at(1))
            assert value(loss) == pytest.approx(expected, rel=1e-4)
            assert value(logs["matched"]) == pytest.approx(matched)
        assert value(logs["reliability"]) > 0.5

    @pytest.mark.slow
    def test_unreliable_pairs_weigh_less(self):
        z1 = draws(9, 12)
        z2 = z1.copy()
        z2[4:] = draws(5, 12, seed=1)
        embeddings = {"z1": z1, "z2": z2}
        weighted, plain = (value(model(weighted=flag).objective(embeddings, Step.at(1))[0]) for flag in (True, False))
        assert weighted < 0.8 * plain

    def test_shuffle_is_an_order_of_the_batch_new_in_each_step(self):
        x = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        isr = model(shuffle=True)
        first, later = (
            keras.ops.convert_to_numpy(isr.embed({"x": x}, Step.at(8, training=False, index=s))["order"])
            for s in (0, 1)
        )
        assert sorted(first) == sorted(later) == list(range(8)) and (first != later).any()

    @pytest.mark.slow
    def test_ready_made_frames_are_taken_as_they_come(self):
        x = np.random.RandomState(0).randint(0, 256, (2, 16, 8, 8, 3)).astype("uint8")
        isr = model()
        isr.compile("sgd", run_eagerly=EAGERLY)
        logs = isr.fit((x[0], x[1]), batch_size=8, verbose=0).history
        assert np.isfinite(logs["loss"][-1]) and 0.0 <= logs["matched"][-1] <= 1.0

    def test_temperature(self):
        with pytest.raises(ValueError, match="Received: temperature=0"):
            model(temperature=0)
