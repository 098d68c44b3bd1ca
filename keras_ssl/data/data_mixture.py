"""Batches drawn from several data sets in proportions that may change at a step."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import array_fingerprint
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation

__all__ = ["DataMixture"]


class DataMixture(EpochBatches):
    """A data set that mixes several, in given proportions, for any Keras model.

    An epoch is a number of batches. Of its `n` samples, source `i` gives `proportions[i] * n`, rounded so that all sum
    up (largest remainder), spread evenly over the epoch. Each source is read pass after pass, each pass in an order of
    its own. Everything is a pure function of seed, epoch and batch, so that reading ahead changes nothing.

    Args:
        sources: two data sets or more, all of one form: an array `[N, ...]`, a tuple of arrays such as `(x, y)`, or a
            dict of arrays. Batches have the same form.
        proportions: the share of each source: finite numbers of at least 0, not all 0; they are divided by their sum.
        steps_per_epoch: batches of an epoch.
        batch_size: samples in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range, or the sources do not have one form.

    Example:

    >>> data = DataMixture([np.zeros(10), np.ones(30)], (1, 3), steps_per_epoch=5, batch_size=4)
    >>> data.switch(3, (1, 1))
    >>> [float(data[step].sum()) for step in range(5)]
    [3.0, 3.0, 3.0, 2.0, 2.0]
    """

    def __init__(
        self,
        sources: Sequence[Any],
        proportions: Sequence[float],
        steps_per_epoch: int,
        batch_size: int = 256,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        if len(sources) < 2:
            raise ValueError(f"`sources` must be two data sets or more. Received: sources={len(sources)} data sets")
        self._columns = [_columns(source) for source in sources]
        self._form = sources[0]
        self._counts = [len(next(iter(columns.values()))) for columns in self._columns]
        _check_alike(self._columns)
        self._phases: list[tuple[int, tuple[float, ...]]] = [(0, _shares(proportions, len(sources)))]
        self._cached_draws: tuple[int, tuple[np.ndarray, np.ndarray]] | None = None
        self._cached_passes: dict[tuple[int, int], np.ndarray] = {}
        self._drawn_before = [np.zeros(len(sources), "int64")]  # of each source, before each epoch
        batch_size = check_integer("batch_size", batch_size, 1)
        steps = check_integer("steps_per_epoch", steps_per_epoch, 1)
        super().__init__(steps * batch_size, batch_size, seed, False, True, epoch)

    def switch(self, step: int, proportions: Sequence[float]) -> None:
        """Changes the proportions from a step on; switches are made in their order, before the step is read.

        Args:
            step: number of the batch, counted through all epochs from 0; at least that of the last switch.
            proportions: as for the constructor.

        Raises:
            ValueError: if an argument is out of range.
        """
        shares = _shares(proportions, len(self._columns))
        step = check_integer("step", step, 0)
        if step < self._phases[-1][0]:
            raise ValueError(
                f"`step` must be at least that of the last switch, {self._phases[-1][0]}. Received: step={step}"
            )
        if step == self._phases[-1][0]:
            self._phases.pop()
        # Equal proportions are no switch: they would only round anew.
        if not self._phases or self._phases[-1][1] != shares:
            self._phases.append((step, shares))
        self._cached_draws, self._drawn_before = None, self._drawn_before[:1]

    def proportions_at(self, step: int) -> tuple[float, ...]:
        """The shares of the sources at a step, which sum up to 1."""
        return [shares for begin, shares in self._phases if begin <= step][-1]

    def draws(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """What an epoch reads: the number of the source, and of the row in it, of every sample, two int64 arrays."""
        if self._cached_draws is None or self._cached_draws[0] != epoch:
            sources = self._sources(epoch)
            rows = np.empty(len(sources), "int64")
            for number in range(len(self._columns)):
                mine = np.flatnonzero(sources == number)
                rows[mine] = self._rows(number, epoch, len(mine))
            self._cached_draws = (epoch, (sources, rows))
        return self._cached_draws[1]

    def load(self, order: np.ndarray, start: int) -> Any:
        places = order[start : start + self.local_batch_size]
        sources, rows = (array[places] for array in self.draws(self.epoch))
        made = {}
        for key, column in self._columns[0].items():
            values = np.empty((len(places), *column.shape[1:]), column.dtype)
            for number, columns in enumerate(self._columns):
                mine = sources == number
                values[mine] = columns[key][rows[mine]]
            made[key] = values
        if isinstance(self._form, Mapping):
            return made
        return tuple(made.values()) if isinstance(self._form, tuple) else made["0"]

    def fingerprint(self) -> dict[str, Any]:
        return {
            f"source {number}": {key: array_fingerprint(column) for key, column in columns.items()}
            for number, columns in enumerate(self._columns)
        }

    def _sources(self, epoch: int) -> np.ndarray:
        """The source of every sample of an epoch."""
        begin, end = epoch * self._steps, (epoch + 1) * self._steps
        cuts = [begin, *(step for step, _ in self._phases if begin < step < end), end]
        parts = [
            spread(_whole(self.proportions_at(left), (right - left) * self.batch_size))
            for left, right in zip(cuts, cuts[1:], strict=False)
        ]
        return np.concatenate(parts)

    def _rows(self, number: int, epoch: int, count: int) -> np.ndarray:
        """The next rows of a source, pass after pass."""
        while len(self._drawn_before) <= epoch:
            sources = self._sources(len(self._drawn_before) - 1)
            drawn = np.bincount(sources, minlength=len(self._columns))
            self._drawn_before.append(self._drawn_before[-1] + drawn)
        places = self._drawn_before[epoch][number] + np.arange(count)
        passes, positions = np.divmod(places, self._counts[number])
        rows = np.empty(count, "int64")
        for number_of_pass in np.unique(passes):
            chosen = passes == number_of_pass
            rows[chosen] = self._pass(number, int(number_of_pass))[positions[chosen]]
        return rows

    def _pass(self, number: int, number_of_pass: int) -> np.ndarray:
        key = (number, number_of_pass)
        if key not in self._cached_passes:
            if len(self._cached_passes) > 2 * len(self._columns):
                self._cached_passes.clear()
            # Sources of one length must not be read in one order.
            seed = (self.seed + 0x9E3779B1 * number) % 2**32
            self._cached_passes[key] = permutation(self._counts[number], seed, number_of_pass)
        return self._cached_passes[key]

    @property
    def _steps(self) -> int:
        return self.count // self.batch_size


def _columns(source: Any) -> dict[str, np.ndarray]:
    if isinstance(source, Mapping):
        named = dict(source)
    else:
        named = {str(place): part for place, part in enumerate(source if isinstance(source, tuple) else (source,))}
    columns = {key: np.asarray(column) for key, column in named.items()}
    lengths = {len(column) if column.ndim else 0 for column in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        shapes = {key: column.shape for key, column in columns.items()}
        raise ValueError(f"`sources` must hold arrays of one positive length each. Received: sources={shapes}")
    return columns


def _check_alike(columns: list[dict[str, np.ndarray]]) -> None:
    forms = [{key: (column.shape[1:], column.dtype) for key, column in own.items()} for own in columns]
    for form in forms[1:]:
        if form != forms[0] or list(form) != list(forms[0]):
            raise ValueError(
                f"`sources` must have the same fields, shapes and types. Received: sources={forms[0]} and {form}"
            )


def _shares(proportions: Sequence[float], count: int) -> tuple[float, ...]:
    try:
        numbers = [float(number) for number in proportions]
    except (TypeError, ValueError) as error:
        raise ValueError(f"`proportions` must be numbers. Received: proportions={proportions!r}") from error
    valid = all(math.isfinite(number) and number >= 0.0 for number in numbers)
    if len(numbers) != count or not valid or not sum(numbers) > 0.0:
        raise ValueError(
            f"`proportions` must be {count} finite numbers of 0 or more, not all 0. "
            f"Received: proportions={proportions!r}"
        )
    return tuple(number / sum(numbers) for number in numbers)


def _whole(shares: Sequence[float], total: int) -> np.ndarray:
    """Integers that sum up to `total`, closest to its shares: by largest remainders, earlier sources first."""
    exact = np.round(np.asarray(shares) * total, 9)  # 0.07 * 100 is not 7
    counts = np.floor(exact).astype("int64")
    missing = total - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    return counts


def spread(counts: np.ndarray) -> np.ndarray:
    """The numbers of sources, each as often as its count, at even distances."""
    sources = np.repeat(np.arange(len(counts)), counts)
    places = np.concatenate([(np.arange(count) + 0.5) / max(count, 1) for count in counts])
    return sources[np.argsort(places, kind="stable")]
