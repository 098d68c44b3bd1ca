"""SimCLR's views by this library: compiled, and inside tf.data."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ssl.views import map_dataset, simclr
from keras_ssl.views.view_programs import ViewPrograms


def images(count: int, size: int) -> np.ndarray:
    """Images that are no constant: what the views cost does not depend on what is on them."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), "uint8")


def compiled(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """One call of the views on a batch of uint8, as inside the training step on a CPU."""
    programs = ViewPrograms(simclr(size, blur=blur))

    @tf.function
    def make(batch: tf.Tensor, step: tf.Tensor) -> list[tf.Tensor]:
        return programs(batch, 0, step, tf.range(batch_size))

    batch = tf.constant(images(batch_size, size))
    steps = iter(range(10**9))
    calls = _calls_in(1.0, lambda: make(batch, tf.constant(next(steps))))

    def run() -> None:
        for _ in range(calls):
            made = make(batch, tf.constant(next(steps)))
        made[-1].numpy()

    return run, 2 * batch_size * calls


def in_tf_data(size: int, batch_size: int, blur: bool) -> tuple[Callable[[], Any], int]:
    """The same views made by a tf.data pipeline."""
    count = 4 * batch_size
    data = tf.data.Dataset.from_tensor_slices(images(count, size)).batch(batch_size, drop_remainder=True).repeat()
    ready = iter(map_dataset(data, simclr(size, blur=blur), seed=0))
    calls = _calls_in(1.0, lambda: next(ready))

    def run() -> None:
        for _ in range(calls):
            next(ready)

    return run, 2 * batch_size * calls


def _calls_in(seconds: float, call: Callable[[], Any]) -> int:
    """How often to call for a round of about so many seconds."""
    call()
    start = time.perf_counter()
    call()
    return max(1, int(seconds / (time.perf_counter() - start)))
