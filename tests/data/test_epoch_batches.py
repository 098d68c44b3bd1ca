import warnings

import keras
import numpy as np
import pytest

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.random import permutation


class Numbers(EpochBatches):
    """Batches that hold nothing but the samples' numbers."""

    def __init__(self, count=10, batch_size=4, seed=3, shuffle=True, drop_remainder=True, epoch=0):
        super().__init__(count, batch_size, seed, shuffle, drop_remainder, epoch)

    def load(self, order, start):
        rows = order[start : start + self.batch_size]
        return {"x": rows[:, np.newaxis].astype("float32"), "index": rows.astype("int32")}


class Recorder(keras.Model):
    """Notes the samples of each step, and takes the step."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.seen = []

    def call(self, x):
        return self.dense(x["x"])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(y_pred**2)

    def train_step(self, *args):
        self.seen += np.asarray(args[-1]["index"]).tolist()
        return super().train_step(*args)


def recorder():
    model = Recorder()
    model.compile("sgd", run_eagerly=True)
    return model


def in_order(data):
    return np.concatenate([batch["index"] for batch in data])


def test_order_is_that_of_seed_and_epoch():
    data = Numbers()
    for epoch in range(3):
        np.testing.assert_array_equal(in_order(data), permutation(10, 3, epoch)[:8])
        data.on_epoch_end()
    assert data.epoch == 3
    assert (permutation(10, 3, 0) != permutation(10, 3, 1)).any()


def test_a_batch_does_not_depend_on_what_was_read_before():
    data = Numbers(epoch=5)
    np.testing.assert_array_equal(data[1]["index"], permutation(10, 3, 5)[4:8])
    data.epoch = 2
    np.testing.assert_array_equal(data[1]["index"], permutation(10, 3, 2)[4:8])
    np.testing.assert_array_equal(data[0]["index"], permutation(10, 3, 2)[:4])


def test_first_batch_leaves_out_what_is_before_it_and_only_in_this_epoch():
    data = Numbers(count=20)
    data.first_batch = 3
    assert len(data) == 2 and data.batches_in_epoch == 5
    np.testing.assert_array_equal(in_order(data), permutation(20, 3, 0)[12:20])
    data.on_epoch_end()
    assert data.first_batch == 0 and len(data) == 5
    np.testing.assert_array_equal(in_order(data), permutation(20, 3, 1))
    for value in (5, -1, 1.5):
        with pytest.raises(ValueError, match=f"`first_batch`.*Received: first_batch={value}"):
            data.first_batch = value


def test_without_shuffling_all_epochs_are_alike():
    data = Numbers(shuffle=False, drop_remainder=False)
    for _ in range(2):
        np.testing.assert_array_equal(in_order(data), np.arange(10))
        data.on_epoch_end()


@pytest.mark.parametrize(("count", "drop", "batches"), [(8, True, 2), (10, True, 2), (8, False, 2), (10, False, 3)])
def test_number_of_batches(count, drop, batches):
    data = Numbers(count=count, drop_remainder=drop)
    assert len(data) == data.num_batches == batches == len(list(data))
    assert len(in_order(data)) == (count if not drop else 8)


@pytest.mark.parametrize("count", [40, 8, 4])
def test_fit_sees_each_epoch_in_its_order(count):
    """Also with one or two batches, which Keras may have read ahead before the first epoch begins."""
    model, data = recorder(), Numbers(count=count)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(data, epochs=3, shuffle=False, verbose=0)  # the first `fit` builds the model from a batch
        model.fit(data, epochs=5, initial_epoch=3, shuffle=False, verbose=0)
    expected = np.concatenate([permutation(count, 3, epoch)[: count // 4 * 4] for epoch in range(5)])
    np.testing.assert_array_equal(model.seen, expected)
    assert data.epoch == 5


def test_a_resumed_fit_sees_what_the_uninterrupted_one_would():
    whole, resumed = recorder(), recorder()
    whole.fit(Numbers(), epochs=4, shuffle=False, verbose=0)
    resumed.fit(Numbers(epoch=2), epochs=4, initial_epoch=2, shuffle=False, verbose=0)
    assert resumed.seen == whole.seen[16:]


def test_stopping_within_an_epoch_does_not_count_it():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model, data = recorder(), Numbers(count=40)
    model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[Stop()])
    assert data.epoch == 0
    model.seen.clear()
    model.fit(data, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.seen, permutation(40, 3, 0))


def test_shuffling_by_keras_is_noticed():
    model, data = recorder(), Numbers(count=40)
    with pytest.warns(UserWarning, match="shuffle=False"):
        model.fit(data, epochs=1, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data[5], data[2]  # reading at will by hand is no reason to warn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, r"`batch_size`.*Received: batch_size=0"),
        ({"batch_size": 2.5}, r"Received: batch_size=2.5"),
        ({"batch_size": 11}, r"at most the number of samples \(10\).*Received: batch_size=11"),
        ({"seed": -1}, r"`seed`.*Received: seed=-1"),
        ({"epoch": -1}, r"`epoch`.*Received: epoch=-1"),
        ({"epoch": True}, r"Received: epoch=True"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Numbers(**arguments)


def test_bad_use():
    data = Numbers(batch_size=11, drop_remainder=False)
    assert len(data) == 1
    with pytest.raises(IndexError, match="Received: index=1"):
        data[1]
    with pytest.raises(ValueError, match="Received: workers=4"):
        data.workers = 4
    with pytest.raises(ValueError, match="Received: epoch=-2"):
        data.epoch = -2
