"""Images per second of training."""

import time

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Logs


class Throughput(keras.callbacks.Callback):
    """Logs how many images per second each epoch trained on.

    The number is `steps * batch_size / seconds`, from the start of the epoch to the end of its last training
    step: waiting for data counts, validation and the work of other callbacks at the end of the epoch do not.
    Each sample counts once, however many views are made of it. The first epoch includes compilation. Keras
    does not tell callbacks the size of a batch, so it is an argument; a shorter last batch counts as a full
    one.

    Put the callback before those that read the logs (TensorBoard); the progress bar and the history see it
    anyway.

    Args:
        batch_size: images in a (global) batch.
        name: the key in the logs. Defaults to `"images_per_second"`.

    Raises:
        ValueError: if `batch_size` is not a positive integer.

    Example:

    ```python
    model.fit(images, batch_size=128, epochs=10, callbacks=[keras_ssl.callbacks.Throughput(batch_size=128)])
    ```
    """

    # Keras then need not wait for each step's logs before it starts the next step.
    async_safe = True

    def __init__(self, batch_size: int, name: str = "images_per_second") -> None:
        super().__init__()
        self.batch_size = check_integer("batch_size", batch_size, 1)
        self.name = name
        self._start = self._end = 0.0
        self._first = self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start, self._steps, self._first = time.perf_counter(), 0, -1

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self._first < 0:
            self._first = batch  # not 0 where a run goes on in the middle of an epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # With several steps per execution `batch` is the number of the last of them. Threads may be late:
        # keep the largest number.
        if batch + 1 > self._steps:
            self._end, self._steps = time.perf_counter(), batch + 1

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = self._end - self._start
        if logs is not None and self._steps and seconds > 0:
            logs[self.name] = (self._steps - max(self._first, 0)) * self.batch_size / seconds
