"""Batches that mix several data sets in a fixed ratio: labeled and unlabeled, source and target, forget and retain."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import array_fingerprint
from keras_ssl.data.from_arrays import ArrayBatches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation


def from_streams(
    streams: Mapping[str, Mapping[str, Any]],
    ratio: Sequence[int],
    *,
    batch_size: int = 256,
    seed: int = 0,
    epoch: int = 0,
) -> "StreamBatches":
    """Makes a data set whose every batch holds rows of several streams in a fixed ratio.

    An epoch is one pass over the stream that lasts longest; the others begin anew, in another order, whenever they end.
    The order is a pure function of the seed and the epoch, so that a resumed run sees what the uninterrupted one would.

    Args:
        streams: arrays by batch key (`x`, and `y` or other fields), by the stream's name. All streams hold `x` of one
            shape and type. Where a stream lacks `y`, its labels are -1.
        ratio: how many parts of a batch each stream has, positive integers in the order of the streams.
        batch_size: samples in a batch, a multiple of the sum of `ratio`. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.

    Returns:
        A `keras.utils.PyDataset` of dicts: `x`, the fields of the streams, `stream` (the number of the stream that a
        row comes from, int32) and `index` (the row's number, counted through all streams).

    Raises:
        ValueError: if there are fewer than two streams, the ratio does not fit them or the batch size, arrays of one
            key do not go together, or a stream lacks a field other than `y` that another has.

    Example:

    >>> streams = {"labeled": {"x": np.zeros((4, 2)), "y": np.arange(4)}, "unlabeled": {"x": np.ones((12, 2))}}
    >>> data = from_streams(streams, ratio=(1, 3), batch_size=4)
    >>> len(data), data[0]["stream"].tolist(), (data[0]["y"] >= 0).tolist()
    (4, [0, 1, 1, 1], [True, False, False, False])
    """
    return StreamBatches(streams, ratio, batch_size, seed, epoch)


class StreamBatches(EpochBatches):
    """The data set that `from_streams` makes; its arguments are described there."""

    def __init__(
        self,
        streams: Mapping[str, Mapping[str, Any]],
        ratio: Sequence[int],
        batch_size: int,
        seed: int,
        epoch: int,
    ) -> None:
        if len(streams) < 2 or len(ratio) != len(streams):
            raise ValueError(
                "`ratio` must have a number for each of two streams or more. "
                f"Received: ratio={tuple(ratio)}, streams={list(streams)}"
            )
        parts = [check_integer("ratio", part, 1) for part in ratio]
        batch_size = check_integer("batch_size", batch_size, 1)
        if batch_size % sum(parts):
            raise ValueError(
                f"`batch_size` must be a multiple of {sum(parts)}, the sum of `ratio`. "
                f"Received: batch_size={batch_size}"
            )
        self._names = list(streams)
        self._sizes = [batch_size // sum(parts) * part for part in parts]
        self._columns = [_columns(name, arrays) for name, arrays in streams.items()]
        self._counts = [len(columns["x"]) for columns in self._columns]
        _check_alike(self._names, self._columns)
        self._first = np.concatenate([[0], np.cumsum(self._sizes)])
        self._offsets = np.concatenate([[0], np.cumsum(self._counts)])
        batches = max(-(-count // size) for count, size in zip(self._counts, self._sizes, strict=True))
        self._cached_orders: dict[tuple[int, int], np.ndarray] = {}
        super().__init__(batches * batch_size, batch_size, seed, False, True, epoch)

    def checked_parts(self) -> list[dict[str, Any]]:
        """The samples of each stream as a batch, for checks before training; nothing is copied."""
        return [
            {"index": np.arange(count) + offset, **columns}
            for count, offset, columns in zip(self._counts, self._offsets, self._columns, strict=False)
        ]

    def fingerprint(self) -> dict[str, Any]:
        streams = zip(self._names, self._columns, self._sizes, strict=True)
        return {
            name: {"rows": size, **{key: array_fingerprint(column) for key, column in columns.items()}}
            for name, columns, size in streams
        }

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        places = order[start : start + self.local_batch_size]
        batch, within = np.divmod(places, self.batch_size)
        stream = np.searchsorted(self._first, within, side="right") - 1
        rows = np.empty(len(places), "int64")
        for number in range(len(self._names)):
            mine = stream == number
            rows[mine] = self._rows(number, batch[mine], within[mine] - self._first[number])
        made = {"stream": stream.astype("int32"), "index": (rows + self._offsets[stream]).astype("int32")}
        for key in self._columns[0]:
            taken = [columns[key][rows[stream == number]] for number, columns in enumerate(self._columns)]
            # The rows of a batch lie stream after stream, and so do those of a worker's part of it.
            made[key] = np.concatenate(taken)
        return made

    def _rows(self, number: int, batch: np.ndarray, within: np.ndarray) -> np.ndarray:
        """Rows of a stream: the next ones of an endless sequence of passes over it, each in an order of its own."""
        count, size = self._counts[number], self._sizes[number]
        place = (self.epoch * self.batches_in_epoch + batch) * size + within
        passes, positions = np.divmod(place, count)
        rows = np.empty(len(place), "int64")
        for number_of_pass in np.unique(passes):
            chosen = passes == number_of_pass
            rows[chosen] = self._order(number, int(number_of_pass))[positions[chosen]]
        return rows

    def _order(self, number: int, number_of_pass: int) -> np.ndarray:
        key = (number, number_of_pass)
        if key not in self._cached_orders:
            if len(self._cached_orders) > 2 * len(self._names):
                self._cached_orders.clear()
            # Streams of one length must not be read in one order.
            seed = (self.seed + 0x9E3779B1 * number) % 2**32
            self._cached_orders[key] = permutation(self._counts[number], seed, number_of_pass)
        return self._cached_orders[key]


def _columns(name: str, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if not isinstance(arrays, Mapping):
        raise ValueError(
            'Each stream must be a dict of arrays, {"x": images} or {"x": images, "y": labels}. '
            f"Received: stream {name!r} of type {type(arrays).__name__}"
        )
    if "x" not in arrays:
        raise ValueError(f"Each stream must hold `x`. Received: stream {name!r} with keys {sorted(arrays)}")
    others = {key: value for key, value in arrays.items() if key not in ("x", "y", "group", "index")}
    # It checks types, lengths and NaN.
    known = ArrayBatches(arrays["x"], arrays.get("y"), None, arrays.get("group"), 1, 0, False, False, 0, others)
    columns = {"x": np.asarray(known._x), **{key: column for key, column in known._columns.items() if key != "index"}}
    columns.setdefault("y", np.full(known.count, -1, "int32"))
    if columns["x"].dtype == np.float64:
        columns["x"] = columns["x"].astype("float32")
    return columns


def _check_alike(names: list[str], columns: list[dict[str, np.ndarray]]) -> None:
    first = columns[0]
    for name, own in zip(names, columns, strict=True):
        if set(own) != set(first):
            raise ValueError(
                f"All streams must hold the same fields. Received: {sorted(first)} in {names[0]!r}, "
                f"{sorted(own)} in {name!r}"
            )
        for key, column in own.items():
            if column.shape[1:] != first[key].shape[1:] or column.dtype != first[key].dtype:
                raise ValueError(
                    f"`{key}` must have one shape and type in all streams. Received: {first[key].shape} of "
                    f"{first[key].dtype} in {names[0]!r}, {column.shape} of {column.dtype} in {name!r}"
                )
