"""What MoCo computes, against a slow reference, closed forms and limits."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, slow_info_nce, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


class TestMoCo:
    def test_version_2_equals_the_reference(self):
        model = keras_ssl.MoCo(encoder(), projector=(6,), queue_size=9, temperature=0.3)
        queue = keras.ops.convert_to_numpy(model.queue.contents).astype("float64")
        q, k = draws(5, 6), draws(5, 6, seed=1)
        loss = value(model.objective({"q1": q, "k2": k}, Step.at(1))[0])
        assert loss == pytest.approx(slow_info_nce(q, k, 0.3, queue), rel=1e-5)

    def test_version_3_equals_the_reference(self):
        model = keras_ssl.MoCo(encoder(), version=3, projector=(6,), predictor=(6,), temperature=0.3)
        q1, q2, k1, k2 = (draws(5, 6, seed=seed) for seed in range(4))
        loss = value(model.objective({"q1": q1, "q2": q2, "k1": k1, "k2": k2}, Step.at(1))[0])
        assert loss == pytest.approx(0.6 * (slow_info_nce(q1, k2, 0.3) + slow_info_nce(q2, k1, 0.3)), rel=1e-5)

    def test_queue_holds_the_teachers_keys_newest_first(self):
        model = OBJECTIVES["moco"]()
        model.compile("sgd", run_eagerly=EAGERLY)
        before = keras.ops.convert_to_numpy(model.queue.contents).copy()
        x = np.random.RandomState(0).randint(0, 256, (8, 8, 8, 3)).astype("uint8")
        model.fit(x, batch_size=8, verbose=0)
        after = keras.ops.convert_to_numpy(model.queue.contents)
        np.testing.assert_array_equal(after[8:], before[:-8])
        np.testing.assert_allclose(np.linalg.norm(after[:8], axis=1), 1.0, rtol=1e-5)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"version": 1}, "version=1"),
            ({"version": 2, "predictor": (4,)}, "predictor"),
            ({"version": 3, "queue_size": 64}, "queue_size=64"),
            ({"momentum": 1.5}, "momentum=1.5"),
            ({"temperature": -1}, "temperature=-1"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(ValueError, match=message):
            keras_ssl.MoCo(
                encoder(), projector=(6,), **{"queue_size": 0 if options.get("version") == 3 else 8, **options}
            )

    def test_a_queue_smaller_than_the_batch_is_refused(self):
        model = keras_ssl.MoCo(encoder(), projector=(6,), queue_size=4, views=cheap_views())
        model.compile("sgd", run_eagerly=EAGERLY)
        with pytest.raises(ValueError, match="size=4"):
            model.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=8, verbose=0)
