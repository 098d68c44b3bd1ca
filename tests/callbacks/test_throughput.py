import sys
import time

import keras
import pytest

from keras_ssl.callbacks import Throughput


class Clock:
    """A clock that only the test moves."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sys.modules[Throughput.__module__], "time", clock)
    return clock


def epoch(callback, clock, seconds, batches, afterwards=0.0):
    callback.on_epoch_begin(0)
    for batch in batches:
        clock.now += seconds
        callback.on_train_batch_end(batch)
    clock.now += afterwards
    logs = {}
    callback.on_epoch_end(0, logs)
    return logs


def test_images_over_time(clock):
    callback = Throughput(batch_size=32)
    assert epoch(callback, clock, 0.5, range(4)) == {"images_per_second": pytest.approx(64)}
    # Validation and other callbacks at the end of the epoch do not count.
    assert epoch(callback, clock, 0.5, range(4), afterwards=60) == {"images_per_second": pytest.approx(64)}
    # Three steps per execution: Keras reports the last of each three.
    assert epoch(callback, clock, 0.5, [2, 5, 8], afterwards=1) == {"images_per_second": pytest.approx(192)}
    # Threads that report out of order.
    assert epoch(callback, clock, 0.5, [0, 2, 1]) == {"images_per_second": pytest.approx(96)}


def test_an_epoch_that_begins_in_the_middle(clock):
    callback = Throughput(batch_size=32)
    callback.on_epoch_begin(0)
    for batch in (6, 7):
        callback.on_train_batch_begin(batch)
        clock.now += 0.5
        callback.on_train_batch_end(batch)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs == {"images_per_second": pytest.approx(64)}


def test_an_epoch_without_steps_logs_nothing(clock):
    assert epoch(Throughput(batch_size=2), clock, 1.0, []) == {}


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_in_fit(make_model, images, steps):
    class Slow(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            time.sleep(0.3)

        def on_test_begin(self, logs=None):
            time.sleep(0.3)

    model = make_model(run_eagerly=False, steps_per_execution=steps)
    callbacks = [Slow(), Throughput(10, name="speed")]
    begin = time.perf_counter()
    history = model.fit(
        images[0], batch_size=10, epochs=4, verbose=0, validation_data=images, callbacks=callbacks
    ).history
    elapsed = time.perf_counter() - begin
    trained = sum(60 / speed for speed in history["speed"])
    assert len(history["speed"]) == 4
    assert trained < elapsed - 4 * 0.6


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="on other backends Keras waits for each step")
def test_keras_may_run_ahead_of_it():
    assert keras.callbacks.CallbackList([Throughput(2)])._async_train


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True])
def test_bad_batch_size(batch_size):
    with pytest.raises(ValueError, match=f"Received: batch_size={batch_size}"):
        Throughput(batch_size)
