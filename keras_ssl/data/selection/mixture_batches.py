"""Batches whose samples are drawn from groups in proportions that may change from epoch to epoch."""

from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import array_fingerprint
from keras_ssl.data.from_arrays import ArrayBatches
from keras_ssl.data.selection.checks import uniforms
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


class MixtureBatches(EpochBatches):
    """Base of the samplers of mixtures: each place of a batch draws a group, then one of the group's samples.

    Both draws are a pure function of the seed, the epoch and the place in the epoch, with replacement. A subclass
    writes `probabilities`.

    Args:
        x: inputs, `[N, ...]`.
        y: labels `[N]`, or None.
        group: each sample's group, integers `[N]` from 0 on; no group may be empty.
        name: of the argument that gives the groups.
        batch_size: samples in a batch.
        batches: batches in an epoch, or None for as many as an average group fills, at least one.
        seed: in [0, 2**32).
        epoch: number of the first epoch.
        pairs: whether batches are `(x, y)` for a plain Keras model instead of dicts.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None,
        group: Any,
        name: str,
        batch_size: int,
        batches: int | None,
        seed: int,
        epoch: int,
        pairs: bool,
    ) -> None:
        numbers = np.asarray(group)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not len(numbers) or numbers.min() < 0:
            raise ValueError(
                f"`{name}` must be integers [N] of 0 or more. Received: {name}=array of {numbers.dtype} with shape "
                f"{numbers.shape}"
            )
        counts = np.bincount(numbers)
        if not counts.all():
            raise ValueError(
                f"`{name}` must name every group from 0 to the highest. Received: {name}=array without "
                f"{int(counts.argmin())}"
            )
        if pairs and y is None:
            raise ValueError(f"`pairs` needs labels. Received: pairs={pairs}, y=None")
        # It checks types, lengths and NaN.
        known = ArrayBatches(x, y, None, numbers.astype("int32"), 1, 0, False, False, 0)
        if isinstance(known._x, dict | tuple):
            raise ValueError(f"`x` must be one array. Received: x={type(x).__name__}")
        self._arrays = {"x": np.asarray(known._x), **known._columns}
        if self._arrays["x"].dtype == np.float64:
            self._arrays["x"] = self._arrays["x"].astype("float32")
        self._rows = [np.flatnonzero(numbers == number) for number in range(len(counts))]
        self.pairs = bool(pairs)
        batch_size = check_integer("batch_size", batch_size, 1)
        if batches is None:
            batches = max(1, len(numbers) // (len(counts) * batch_size))
        batches = check_integer("batches", batches, 1)
        super().__init__(batches * batch_size, batch_size, seed, False, True, epoch)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return len(self._rows)

    def probabilities(self, epoch: int) -> np.ndarray:
        """The share of each group in an epoch: float64 `[groups]` with the sum 1."""
        raise NotImplementedError

    def indices(self, epoch: int) -> np.ndarray:
        """The samples of an epoch in their order, int64 `[batches * batch_size]`.

        Args:
            epoch: the epoch's number, from 0.
        """
        return self._drawn(epoch, np.arange(self.count))

    def load(self, order: np.ndarray, start: int) -> Any:
        rows = self._drawn(self.epoch, order[start : start + self.local_batch_size])
        batch = {name: column[rows] for name, column in self._arrays.items()}
        return (batch["x"], batch["y"]) if self.pairs else batch

    def fingerprint(self) -> dict[str, Any]:
        return {name: array_fingerprint(column) for name, column in self._arrays.items()}

    def _drawn(self, epoch: int, places: np.ndarray) -> np.ndarray:
        bounds = np.cumsum(self.probabilities(epoch))
        first, second = uniforms(self.seed, epoch, places)
        # Rounding may leave the last bound below 1: the highest group with a share takes what lies above.
        last = int(np.flatnonzero(np.diff(bounds, prepend=0.0))[-1])
        group = np.minimum(np.searchsorted(bounds, first, side="right"), last)
        sizes = np.array([len(rows) for rows in self._rows])
        within = np.minimum((second * sizes[group]).astype("int64"), sizes[group] - 1)
        chosen = np.empty(len(places), "int64")
        for number, rows in enumerate(self._rows):
            mine = group == number
            chosen[mine] = rows[within[mine]]
        return chosen
