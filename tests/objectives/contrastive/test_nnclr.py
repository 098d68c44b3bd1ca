"""What NNCLR computes, against a slow reference and limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, slow_info_nce, unit, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


class TestNNCLR:
    def test_equals_the_reference(self):
        model = OBJECTIVES["nnclr"]()
        queue = keras.ops.convert_to_numpy(model.queue.contents).astype("float64")
        z1, z2, p1, p2 = (draws(5, 12, seed=seed) for seed in range(4))
        loss, _ = model.objective({"z1": z1, "z2": z2, "p1": p1, "p2": p2}, Step.at(1))
        near1, near2 = (queue[np.argmax(unit(z) @ queue.T, axis=1)] for z in (z1, z2))
        expected = 0.5 * (slow_info_nce(near1, p2, 0.1) + slow_info_nce(near2, p1, 0.1))
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    def test_a_queue_of_the_batchs_own_keys_makes_it_info_nce(self):
        model = keras_ssl.NNCLR(encoder(), projector=(12,), predictor=(12,), queue_size=10)
        z1, z2, p1, p2 = (draws(5, 12, seed=seed) for seed in range(4))
        model.queue.enqueue(np.concatenate([unit(z1), unit(z2)]))
        loss, _ = model.objective({"z1": z1, "z2": z2, "p1": p1, "p2": p2}, Step.at(1))
        expected = 0.5 * (slow_info_nce(z1, p2, 0.1) + slow_info_nce(z2, p1, 0.1))
        assert value(loss) == pytest.approx(expected, rel=1e-5)

    def test_queue_holds_normalized_projections_newest_first(self):
        model = OBJECTIVES["nnclr"]()
        model.compile("sgd", run_eagerly=EAGERLY)
        before = keras.ops.convert_to_numpy(model.queue.contents).copy()
        x = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        model.fit(x, batch_size=8, verbose=0)
        after = keras.ops.convert_to_numpy(model.queue.contents)
        np.testing.assert_array_equal(after[8:], before[:-8])
        np.testing.assert_allclose(np.linalg.norm(after[:8], axis=1), 1.0, rtol=1e-5)

    def test_errors(self):
        with pytest.raises(ValueError, match="Received: temperature=-1"):
            keras_ssl.NNCLR(encoder(), (6,), (6,), queue_size=8, temperature=-1)
        model = keras_ssl.NNCLR(encoder(), (6,), (6,), queue_size=4, views=cheap_views())
        model.compile("sgd", run_eagerly=EAGERLY)
        with pytest.raises(ValueError, match="size=4"):
            model.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=8, verbose=0)
