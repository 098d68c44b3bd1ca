"""How `fit` goes on from where another run was interrupted, also in the middle of an epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_ssl.data.epoch_batches import EpochBatches

_ENDLESS = -1  # the cardinality of a tf.data that never ends


@dataclass(frozen=True)
class Run:
    """What a call of `fit` is about to do.

    Args:
        data: the batches, a data set.
        epochs: the number of the last epoch, counted from 1, as in `fit`.
        initial_epoch: the number of the first epoch, counted from 0.
        steps: batches of an epoch; None where the data do not tell their length.
        steps_given: whether `fit` was told `steps_per_epoch`: Keras then reads on in the data from epoch to epoch,
            and otherwise begins anew with each.
    """

    data: Any
    epochs: int
    initial_epoch: int
    steps: int | None
    steps_given: bool = False


@dataclass(frozen=True)
class Position:
    """Where a run stands in its data.

    Args:
        epoch: epochs that are over.
        batch: batches of the next epoch that have been trained on.
        data_epoch: the epoch's number in the data set's own count (`EpochBatches.epoch`); None for other data.
        first_epoch: the epoch with which the training began.
        epochs: the number of the last epoch that was planned.
    """

    epoch: int
    batch: int
    data_epoch: int | None
    first_epoch: int
    epochs: int


class FitHook(keras.callbacks.Callback):
    """A callback that `SSLModel.fit` also calls before and after everything else it does."""

    def before_fit(self, model: Any, run: Run) -> Position | None:
        """Called before data are read or a step is traced.

        Returns:
            Where to go on from, once the callback has restored the model's state; None to begin where `fit` was told.
        """
        return None

    def after_fit(self) -> None:
        """Called when `fit` ends, whether it returns or raises."""


def fit_hooks(callbacks: Any) -> list[FitHook]:
    """Those of the callbacks given to `fit` that are hooks."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    elif not isinstance(callbacks, list | tuple):
        callbacks = [callbacks]
    return [callback for callback in callbacks if isinstance(callback, FitHook)]


def data_length(data: Any, steps_per_epoch: int | None) -> int | None:
    """Batches of an epoch; None where the data do not tell their length."""
    if steps_per_epoch is not None:
        return steps_per_epoch
    check_finite_length(data, "steps_per_epoch")
    try:
        return len(data)
    except TypeError:
        return None


def check_finite_length(data: Any, argument: str) -> None:
    """Raises a `ValueError` where an epoch of the data would never end, and the argument that ends it is not given."""
    if isinstance(data, keras.utils.PyDataset):
        endless = data.num_batches is None
    else:
        cardinality = getattr(data, "cardinality", None)  # of tf.data
        endless = callable(cardinality) and int(cardinality()) == _ENDLESS
    if endless:
        raise ValueError(
            f"The data never end (`repeat()` without a count, say): give `{argument}`, the batches of an epoch. "
            f"Received: data of type {type(data).__name__}, {argument}=None"
        )


def check_position(model: Any, position: Position, run: Run) -> None:
    """Raises a `ValueError` where `fit` cannot begin at a position."""
    if position.batch % model.steps_per_execution:
        raise ValueError(
            f"The run was interrupted after {position.batch} batches of an epoch, which is no multiple of "
            f"`steps_per_execution`. Received: steps_per_execution={model.steps_per_execution}"
        )
    if position.batch and (run.steps is None or position.batch >= run.steps):
        raise ValueError(
            f"The run was interrupted after {position.batch} batches of an epoch; an epoch of these data has no more. "
            f"Received: steps_per_epoch={run.steps}"
        )


def begin_at(iterator: Any, position: Position, run: Run) -> None:
    """Makes the first epoch of Keras' epoch iterator begin at a position; those after it are whole.

    The callbacks see the batch numbers that the uninterrupted run would have given them. Data of this library begin
    at the batch itself. Of other data, the batches that were trained on are read again and passed over.
    """
    whole = iterator._enumerate_iterator
    batches_before = position.batch
    if run.steps_given and run.steps is not None:
        batches_before += (position.epoch - position.first_epoch) * run.steps

    def rest() -> Iterator[tuple[int, int, Any]]:
        iterator._enumerate_iterator = whole
        if isinstance(run.data, EpochBatches):
            run.data.first_batch = position.batch
        fresh = True
        for begin, end, batches in whole():
            if fresh and not isinstance(run.data, EpochBatches):
                _pass_over(batches, batches_before)
            fresh = False
            if begin >= position.batch:
                yield begin, end, batches

    iterator._enumerate_iterator = rest


def follow_steps(iterator: Any, data: EpochBatches, model: Any) -> None:
    """Makes the first epoch of Keras' epoch iterator that of the steps a model has behind it by then.

    A callback may have restored it when training began (Keras' BackupAndRestore).
    """
    whole = iterator._enumerate_iterator

    def followed() -> Iterator[tuple[int, int, Any]]:
        iterator._enumerate_iterator = whole
        data.epoch = max(data.epoch, epochs_done(model, data))
        yield from whole()

    iterator._enumerate_iterator = followed


def draw_crops(iterator: Any, data: EpochBatches, model: Any) -> None:
    """Makes the first epoch of Keras' epoch iterator, and those after it, draw random crops for the steps that the
    model will count.

    Where the training begins is known when the epoch does: a callback may restore the model before.
    """
    whole = iterator._enumerate_iterator

    def drawn() -> Iterator[tuple[int, int, Any]]:
        iterator._enumerate_iterator = whole
        done = data.epoch * data.batches_in_epoch + data.first_batch
        data.follow(model.seed, int(keras.ops.convert_to_numpy(model.step)) - done)
        yield from whole()

    iterator._enumerate_iterator = drawn


def epochs_done(model: Any, data: EpochBatches) -> int:
    """How many epochs of a data set the steps of a model are."""
    return int(keras.ops.convert_to_numpy(model.step)) // data.batches_in_epoch


def _pass_over(batches: Iterator[Any], count: int) -> None:
    end = object()
    for number in range(count):
        if next(batches, end) is end:
            raise ValueError(
                f"The run was interrupted after {count} batches, and the data end before. Received: {number} batches"
            )
