"""Makes sure that no sample is trained on twice."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ssl.callbacks.training_warning import TrainingWarning
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.typing import Logs

__all__ = ["UniquePassCheck"]


class UniquePassCheck(keras.callbacks.Callback):
    """Fires when a sample comes for the second time: for training of a single epoch, on data that last for all of it.

    Callbacks do not see batches, so it is told the samples' numbers: by a data set of this library, or by a function.

    Args:
        samples: a data set of `keras_ssl.data` (one worker), whose samples are counted in its own order; or a function
            of epoch and batch number that gives the numbers (any integers) of the samples of that batch.
        action: "error" or "warn". A warning is given once. Defaults to "error".

    Attributes:
        seen: how many different samples there were.

    Raises:
        ValueError: if an argument is none of these.
        RuntimeError: in `fit`, before the batch that has a sample seen before, with the action "error".

    Example:

    ```python
    data = keras_ssl.data.from_arrays(images, batch_size=128)
    model.fit(data, epochs=1, shuffle=False, callbacks=[keras_ssl.callbacks.UniquePassCheck(data)])
    ```

    Reference: Komatsuzaki, "One epoch is all you need", 2019, https://arxiv.org/abs/1906.06669.
    """

    def __init__(self, samples: EpochBatches | Callable[[int, int], Any], action: str = "error") -> None:
        super().__init__()
        if not isinstance(samples, EpochBatches) and not callable(samples):
            raise ValueError(f"`samples` must be a data set or a function. Received: samples={samples!r}")
        if action not in ("error", "warn"):
            raise ValueError(f"`action` must be error or warn. Received: action={action!r}")
        self.samples, self.action = samples, action
        self._seen: set[Any] = set()
        self._epoch = 0
        self._warned = False

    @property
    def seen(self) -> int:
        return len(self._seen)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        numbers = self._numbers(batch).tolist()
        fresh = set(numbers)
        repeated = fresh & self._seen
        if len(fresh) < len(numbers):
            repeated |= {number for number in fresh if numbers.count(number) > 1}
        self._seen |= fresh
        if repeated:
            self._fire(sorted(repeated), batch)

    def _numbers(self, batch: int) -> np.ndarray:
        if not isinstance(self.samples, EpochBatches):
            return np.asarray(self.samples(self._epoch, batch)).reshape(-1)
        data = self.samples
        start = (data.first_batch + batch) * data.batch_size
        places = data.order()[start : start + data.batch_size]
        draws = getattr(data, "draws", None)
        if draws is None:
            return places
        sources, rows = draws(data.epoch)  # a mixture's sample is a row of a source
        return sources[places] * 2**40 + rows[places]

    def _fire(self, repeated: list[Any], batch: int) -> None:
        shown = ", ".join(str(number) for number in repeated[:5])
        message = (
            f"{len(repeated)} samples of batch {batch} of epoch {self._epoch} were seen before. A run of one epoch "
            f"needs more data, or fewer steps. Received: samples {shown}{' ...' if len(repeated) > 5 else ''}"
        )
        if self.action == "error":
            raise RuntimeError(message)
        if not self._warned:
            self._warned = True
            warnings.warn(message, TrainingWarning, stacklevel=2)
