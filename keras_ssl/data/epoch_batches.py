"""What the data sources share: batches in an order that is a pure function of (seed, epoch)."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_ssl.data.ordered_inputs import OrderedInputs
from keras_ssl.data.worker_part import worker_part
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import warn
from keras_ssl.random import permutation


class EpochBatches(keras.utils.PyDataset):
    """Base of the data sources: a `keras.utils.PyDataset` that keeps the order and counts the epochs.

    Batch `i` holds the samples `order()[i * batch_size : (i + 1) * batch_size]`, where the order is
    `keras_ssl.random.permutation(count, seed, epoch)` (`arange(count)` without shuffling): it does not depend
    on what was read before, nor on how far ahead a thread reads. `epoch` grows by one with each
    `on_epoch_end()`, so under `fit` the epoch number `e` of the call has the order of `epoch + e`. To resume
    at epoch `e`, set `data.epoch = e`; within it, at batch `b`, `data.first_batch = b`.

    `fit` must be told `shuffle=False` (objectives of this library do so themselves), because Keras otherwise
    reads the batches in an order drawn from Python's global generator; a warning says so. Leave
    `steps_per_epoch` unset: an epoch is a whole pass. Give validation an object of its own, because Keras
    ends epochs while validating too.

    A subclass writes `load`.

    Args:
        count: number of samples.
        batch_size: samples in a batch.
        seed: integer in [0, 2**32): the run's seed.
        shuffle: whether the order is random.
        drop_remainder: whether the samples that do not fill a last batch are left out of the epoch.
        epoch: the first epoch's number.

    Raises:
        ValueError: if an argument is out of range, or there are fewer samples than one batch needs.
    """

    def __init__(self, count: int, batch_size: int, seed: int, shuffle: bool, drop_remainder: bool, epoch: int) -> None:
        super().__init__()
        self.batch_size = check_integer("batch_size", batch_size, 1)
        self.seed = check_integer("seed", seed, 0, 2**32 - 1)
        if drop_remainder and count < batch_size:
            raise ValueError(
                f"Argument `batch_size` must be at most the number of samples ({count}) when the remainder "
                f"is dropped. Received: batch_size={batch_size}"
            )
        self.count = count
        self.shuffle = bool(shuffle)
        self.drop_remainder = bool(drop_remainder)
        self.epoch = epoch
        self._first_batch = 0
        self._most_batches: int | None = None
        self._cached_order: tuple[int, np.ndarray] = (-1, np.arange(count))
        self._part = (0, 1)
        self._cached_part: tuple[np.ndarray | None, np.ndarray] = (None, np.arange(0))
        self._reset_expected = False
        self._watched_index: int | None = None

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        """The batch of the samples `order[start : start + local_batch_size]`.

        Args:
            order: the samples in the order of the epoch, int64; the same object throughout an epoch.
            start: position in it of the batch's first sample.
        """
        raise NotImplementedError

    def inputs(self, batch_size: int | None = None) -> OrderedInputs:
        """The inputs of all samples in their order, each once: for `predict` of any Keras model.

        Args:
            batch_size: samples in a batch. Defaults to None: as in training.

        Example:

        ```python
        features = keras_ssl.load("barlow_digits").predict(keras_ssl.data.from_folder("photos", size=64).inputs())
        ```
        """
        return OrderedInputs(self, batch_size=batch_size)

    def read_inputs(self, numbers: np.ndarray, batch_size: int) -> Iterator[tuple[Any, np.ndarray | None]]:
        """Batches of the inputs of samples, in the order given: `(x, decoded)`.

        `decoded`, bool `[n]`, says which could be decoded; None where nothing is. Only of a data set with `one_input`.
        """
        raise NotImplementedError

    def follow(self, seed: int, first_step: int | None) -> None:
        """Says of which steps the batches are; only random crops of a reader of files depend on it.

        Args:
            seed: of the views.
            first_step: number of the step that batch 0 of epoch 0 would be. None where the steps of each epoch are
                counted from 0, as in an evaluation.
        """

    def whole(self, index: int) -> dict[str, Any]:
        """Batch number `index`, with whole images where batches hold random crops: for callbacks that look at images.

        Of images in files these are the center squares.
        """
        return self[index]

    @property
    def one_input(self) -> bool:
        """Whether each sample has one input, and not ready-made views or a pair."""
        return False

    @property
    def labels(self) -> np.ndarray | None:
        """Labels `[count]` of the samples in their order, or None where the data set has none."""
        return None

    def sample_name(self, number: int) -> str:
        """What sample `number` is called in tables of features: its number, or its file."""
        return str(number)

    def fingerprint(self) -> dict[str, Any]:
        """Plain values by which `Checkpoint` notices other samples of the same number; it reads a part of them.

        A subclass says what it can tell in a second or so; this one says nothing.
        """
        return {}

    @property
    def epoch(self) -> int:
        """The number of the epoch that the batches belong to."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch = check_integer("epoch", value, 0, 2**32 - 1)

    @property
    def first_batch(self) -> int:
        """How many batches of the current epoch are left out at its start; 0 again from the next epoch on."""
        return self._first_batch

    @first_batch.setter
    def first_batch(self, value: int) -> None:
        self._first_batch = check_integer("first_batch", value, 0, self.batches_in_epoch - 1)

    @property
    def batches_in_epoch(self) -> int:
        """Number of batches in a whole epoch, whatever `first_batch` is."""
        full, rest = divmod(self.count, self.batch_size)
        batches = full + bool(rest and not self.drop_remainder)
        return batches if self._most_batches is None else min(batches, self._most_batches)

    def shorten(self, batches: int) -> None:
        """Makes every epoch end after so many batches: the first ones of its order.

        Args:
            batches: from 1 to the batches of one pass over the samples.

        Raises:
            ValueError: if it is out of range.
        """
        batches = check_integer("steps_per_epoch", batches, 1)
        if batches > self.batches_in_epoch:
            raise ValueError(
                "An epoch of arrays is at most one pass over them: take more `epochs`, or a smaller `batch_size`. "
                f"Received: steps_per_epoch={batches}, and {self.batches_in_epoch} batches of {self.batch_size} in "
                f"{self.count} samples"
            )
        self._most_batches = batches

    def order(self) -> np.ndarray:
        """The samples' numbers in the order of the current epoch, int64 `[count]`."""
        epoch, order = self._cached_order
        if self.shuffle and epoch != self._epoch:
            epoch, order = self._epoch, permutation(self.count, self.seed, self._epoch)
            self._cached_order = (epoch, order)
        return order

    def take_part(self, worker: int, workers: int) -> None:
        """From now on reads of every batch only what one of several workers is to train on: see `worker_part`.

        Size and number of the batches, as `batch_size` and `len` tell them, stay those of the global batch.

        Args:
            worker: the worker's number, from 0.
            workers: how many there are; 1 for whole batches.

        Raises:
            ValueError: if there is no such worker, or the workers do not divide the batch.
        """
        sizes = np.arange(0 if self.drop_remainder else self.count)
        worker_part(sizes, self.batch_size, worker, workers)  # raises what it would raise of an epoch
        self._part, self._cached_part = (int(worker), int(workers)), (None, np.arange(0))

    @property
    def local_batch_size(self) -> int:
        """Samples that are read of a batch: all, or this worker's part."""
        return self.batch_size // self._part[1]

    def local_order(self) -> np.ndarray:
        """Of `order()` what is read here: all, or this worker's part."""
        order = self.order()
        if self._part[1] == 1:
            return order
        whole, part = self._cached_part
        if whole is not order:
            used = order[: self.batches_in_epoch * self.batch_size]
            part = worker_part(used, self.batch_size, *self._part)
            self._cached_part = (order, part)
        return part

    def __len__(self) -> int:
        """Number of batches in the epoch, from `first_batch` on."""
        return self.batches_in_epoch - self._first_batch

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Batch number `index` of the current epoch, counted from `first_batch`."""
        return self.load(self.local_order(), self.start_of(index))

    def start_of(self, index: int) -> int:
        """The position in `local_order()` of the first sample of batch `index`, counted from `first_batch`."""
        if not 0 <= index < len(self):
            raise IndexError(f"Argument `index` must be from 0 to {len(self) - 1}. Received: index={index}")
        if self._watched_index is not None:
            in_order = index in (0, self._watched_index + 1)
            self._watched_index = index if in_order else None
            if not in_order:
                warn(
                    "Keras reads the batches in an unseeded order of its own. Pass `shuffle=False` to `fit`: "
                    "the data set shuffles its samples itself."
                )
        return (self._first_batch + index) * self.local_batch_size

    def on_epoch_end(self) -> None:
        """Moves on to the next epoch."""
        if self._reset_expected:
            self._reset_expected = False
            return
        self._watched_index = None
        self._first_batch = 0
        self._epoch += 1

    # Keras reads `workers` once per `fit` or `evaluate`, when it wraps the data, and before the first epoch
    # of it resets its iterator, which calls `on_epoch_end` once more than there are epochs. That call must
    # not count.
    @property
    def workers(self) -> int:
        """Always 1: one thread reads the batches, in order."""
        self._reset_expected = True
        self._watched_index = -1
        return 1

    @workers.setter
    def workers(self, value: int) -> None:
        raise ValueError(f"The batches are read in order, by one worker. Received: workers={value}")
