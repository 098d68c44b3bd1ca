"""What ISR computes, and that its matching finds pairs whatever their order."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import info_nce_loss
from tests.objectives.reference import draws, value
from tests.objectives.tiny import OBJECTIVES, cheap_views, encoder


def model(**options):
    return keras_ssl.IdentitySeeking(encoder(), projector=(24, 12), views=cheap_views(), **options)


class TestIdentitySeeking:
    def test_permuted_frame_is_put_in_order_and_its_order_does_not_matter(self):
        z1 = draws(9, 12)
        z2, order = z1 + 0.1 * draws(9, 12, seed=1), np.random.RandomState(3).permutation(9).astype("int32")
        isr = model(weighted=False)
        for z, row in ((z2, np.arange(9, dtype="int32")), (z2[order], order)):
            loss, logs = isr.objective({"z1": z1, "z2": z, "row": row})
            expected = 0.5 * (value(info_nce_loss(z1, z2, 0.1)) + value(info_nce_loss(z2, z1, 0.1)))
            assert value(loss) == pytest.approx(expected, rel=1e-4)
            assert value(logs["matched"]) == 1.0
        assert value(logs["reliability"]) > 0.5

    def test_unreliable_pairs_weigh_less(self):
        z1 = draws(9, 12)
        z2 = z1.copy()
        z2[4:] = draws(5, 12, seed=1)
        embeddings = {"z1": z1, "z2": z2, "row": np.arange(9, dtype="int32")}
        weighted, plain = (value(model(weighted=flag).objective(embeddings)[0]) for flag in (True, False))
        assert weighted < 0.8 * plain

    def test_shuffle_moves_the_second_view_alone_and_says_where(self):
        x = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        batch = {"x": x, "seed": 0, "step": 0, "position": np.arange(8)}
        keras.utils.set_random_seed(1)
        plain = model()
        keras.utils.set_random_seed(1)
        shuffled = model(shuffle=True)
        a, b = (
            {key: keras.ops.convert_to_numpy(tensor) for key, tensor in m.embed(batch, False).items()}
            for m in (plain, shuffled)
        )
        np.testing.assert_array_equal(a["z1"], b["z1"])
        assert sorted(b["row"]) == list(range(8)) and (b["row"] != np.arange(8)).any()
        np.testing.assert_array_equal(b["z2"], a["z2"][b["row"]])

    def test_ready_made_frames_are_taken_as_they_come(self):
        x = np.random.RandomState(0).randint(0, 256, (2, 16, 8, 8, 3)).astype("uint8")
        isr = OBJECTIVES["identity_seeking"]()
        isr.compile("sgd")
        logs = isr.fit((x[0], x[1]), batch_size=8, verbose=0).history
        assert np.isfinite(logs["loss"][-1]) and 0.0 <= logs["matched"][-1] <= 1.0

    def test_temperature(self):
        with pytest.raises(ValueError, match="Received: temperature=0"):
            model(temperature=0)
