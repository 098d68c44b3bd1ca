import json

import keras
import numpy as np
import pytest

from keras_ssl.layers import MaskedQueue


def test_takes_in_what_counts_newest_first():
    queue, expected, rng = MaskedQueue(5, 2), [[0.0, 0.0]] * 5, np.random.default_rng(0)
    for _ in range(6):
        rows, counted = rng.normal(size=(4, 2)).astype("float32"), rng.random(4) < 0.5
        queue.enqueue(rows, counted)
        expected = ([*rows[counted].tolist(), *expected])[:5]
        np.testing.assert_array_equal(np.asarray(queue.contents), np.array(expected, "float32"))


def test_a_batch_may_be_larger_than_the_queue():
    queue = MaskedQueue(2, 1)
    queue.enqueue(np.arange(6, dtype="float32")[:, None], np.array([0, 1, 1, 0, 1, 1]))
    assert np.asarray(queue.contents).ravel().tolist() == [1.0, 2.0]


def test_stands_still_where_the_step_did_not_update():
    queue = MaskedQueue(2, 1)
    queue.enqueue(np.ones((2, 1), "float32"), np.ones(2), updated=keras.ops.convert_to_tensor(False))
    assert not np.any(np.asarray(queue.contents))


def test_is_serialized():
    layer = MaskedQueue(3, 2)
    again = MaskedQueue.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(("size", "width", "message"), [(0, 1, "Received: size=0"), (1, 1.5, "Received: width=1.5")])
def test_refuses(size, width, message):
    with pytest.raises(ValueError, match=message):
        MaskedQueue(size, width)
