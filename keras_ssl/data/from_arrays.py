"""Arrays in memory as batches in an order that is a pure function of (seed, epoch)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import array_fingerprint
from keras_ssl.data.one_label_each import one_label_each
from keras_ssl.typing import Tensor

_BLOCK = 2**24  # numbers checked for NaN at a time


def from_arrays(
    x: Tensor | tuple[Tensor, ...] | dict[str, Tensor],
    y: Tensor | None = None,
    *,
    index: Tensor | None = None,
    group: Tensor | None = None,
    batch_size: int = 256,
    seed: int = 0,
    shuffle: bool = True,
    drop_remainder: bool = True,
    epoch: int = 0,
    on_device: bool = False,
    fields: Mapping[str, Tensor] | None = None,
) -> "ArrayBatches":
    """Makes a data set of arrays, for `fit` on any backend (TensorFlow is not needed).

    Each batch is a dict: `"x"`, `"index"`, and `"y"` and `"group"` where they are given. Epoch `e` sees the
    samples in the order `keras_ssl.random.permutation(len(x), seed, e)`, so a resumed run sees what the
    uninterrupted one would. `epoch` is an attribute of the result: it grows by one at the end of each epoch,
    and can be set.

    Args:
        x: the inputs, an array `[N, ...]` of rank 2 or more; a tuple of arrays: ready-made views; or a dict of
            arrays `[N, ...]` of rank 1 or more: the columns of a table. The numbers are handed on as they are (uint8
            stays uint8), except that float64 becomes float32. Memory-mapped arrays work.
        y: labels, `[N]` or `[N, 1]`: class numbers, -1 for an unlabeled sample, or floating-point targets. Defaults to
            `None`: the batches have no `"y"`.
        index: the samples' numbers in the data set, integers `[N]`. Defaults to 0 to N - 1.
        group: the samples' group (identity, patient, device ...), integers `[N]`. Defaults to `None`: no
            `"group"`.
        batch_size: samples in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        shuffle: whether the order is random. Defaults to `True`.
        drop_remainder: whether the samples that do not fill a last batch are left out of the epoch (others in
            each epoch if shuffled). Defaults to `True`.
        epoch: number of the first epoch. Defaults to 0.
        on_device: whether `x`, an array or a tuple, is copied to the accelerator at once, as a whole, and batches are
            gathered there instead of being copied from the host in each step: for uint8 images that fit beside the
            model. The batches are the same, bit for bit. For `fit` of the objectives of this library, on one device of
            TensorFlow, or on JAX. Defaults to `False`.
        fields: arrays `[N, ...]` of numbers, by the names by which an objective reads them (`SSLModel.fields`).
            Defaults to `None`: no others.

    Returns:
        A `keras.utils.PyDataset` of `len(x) // batch_size` batches. Integers are int32.

    Raises:
        ValueError: if lengths differ, an array is empty, has the wrong rank or a type that is not a number, a
            sample holds NaN or infinity (its number is named), or there is less than one batch; with
            `on_device`, if `x` is neither uint8 nor floating, or does not fit into the accelerator's memory.

    Example:

    >>> data = from_arrays(np.zeros((10, 8, 8, 3), "uint8"), y=np.arange(10), batch_size=4)
    >>> len(data), sorted(data[0]), data[0]["x"].shape
    (2, ['index', 'x', 'y'], (4, 8, 8, 3))
    """
    arguments = (x, y, index, group, batch_size, seed, shuffle, drop_remainder, epoch, fields)
    if on_device:
        from keras_ssl.data.device_batches import DeviceBatches  # builds on this file, and imports the backend

        return DeviceBatches(*arguments)
    return ArrayBatches(*arguments)


class ArrayBatches(EpochBatches):
    """The data set that `from_arrays` makes; its arguments are described there."""

    def __init__(
        self,
        x: Tensor | tuple[Tensor, ...] | dict[str, Tensor],
        y: Tensor | None,
        index: Tensor | None,
        group: Tensor | None,
        batch_size: int,
        seed: int,
        shuffle: bool,
        drop_remainder: bool,
        epoch: int,
        fields: Mapping[str, Tensor] | None = None,
    ) -> None:
        if isinstance(x, tuple | list | dict) and not x:
            raise ValueError(f"Argument `x` must hold at least one array. Received: x={x}")
        parts = {name: _inputs(name, part, 1 if isinstance(x, dict) else 2) for name, part in _named(x).items()}
        self._x: Any = next(iter(parts.values()))
        if isinstance(x, dict):
            self._x = dict(zip(x, parts.values(), strict=True))
        elif isinstance(x, tuple | list):
            self._x = tuple(parts.values())
        count = len(next(iter(parts.values())))
        columns = {"y": y, "index": np.arange(count) if index is None else index, "group": group}
        self._columns = {name: _column(name, column) for name, column in columns.items() if column is not None}
        self._columns |= {name: _numbers(name, np.asarray(value)) for name, value in (fields or {}).items()}
        lengths = {name if len(parts) > 1 else "x": len(part) for name, part in parts.items()}
        lengths |= {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            # Of a table with many columns, those that differ from the first.
            shown = (
                {name: length for name, length in lengths.items() if length != count} if len(lengths) > 8 else lengths
            )
            shown = {next(iter(lengths)): count, **shown}
            received = ", ".join(f"len({name})={length}" for name, length in shown.items())
            raise ValueError(f"All arrays must hold the same number of samples. Received: {received}")
        super().__init__(count, batch_size, seed, shuffle, drop_remainder, epoch)

    @property
    def arrays(self) -> Any:
        """The inputs of all samples as they were given: an array, a tuple of ready-made views, or a dict of columns."""
        return self._x

    def checked_parts(self) -> list[dict[str, Any]]:
        """All samples as one batch, for checks before training; views of the arrays, nothing is copied."""
        return [{"x": self._x, **self._columns}]

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        rows = order[start : start + self.local_batch_size]
        x = tuple(_rows(view, rows) for view in self._x) if isinstance(self._x, tuple) else self.take(rows)
        return {"x": x} | self._columns_of(rows)

    def read_inputs(self, numbers: np.ndarray, batch_size: int) -> Iterator[tuple[Any, np.ndarray | None]]:
        for start in range(0, len(numbers), batch_size):
            yield self.take(numbers[start : start + batch_size]), None

    @property
    def one_input(self) -> bool:
        return not isinstance(self._x, tuple)

    def take(self, rows: np.ndarray) -> Any:
        """The inputs of these samples, where a sample has one."""
        if isinstance(self._x, dict):
            return {name: _rows(column, rows) for name, column in self._x.items()}
        return _rows(self._x, rows)

    @property
    def labels(self) -> np.ndarray | None:
        return self._columns.get("y")

    def fingerprint(self) -> dict[str, Any]:
        arrays = {name: self._described(part) for name, part in _named(self._x).items()}
        return arrays | {name: array_fingerprint(column) for name, column in self._columns.items()}

    def _described(self, view: Any) -> dict[str, Any]:
        return array_fingerprint(view)

    def _columns_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: column[rows] for name, column in self._columns.items()}


def _named(x: Any) -> dict[str, Any]:
    """The parts of inputs by what errors call them."""
    if isinstance(x, dict):
        return {f"x[{name!r}]": column for name, column in x.items()}
    return {f"x[{i}]": view for i, view in enumerate(x)} if isinstance(x, tuple | list) else {"x": x}


def _rows(view: np.ndarray, rows: np.ndarray) -> np.ndarray:
    batch = view[rows]
    return batch.astype(np.float32) if batch.dtype == np.float64 else batch


def _inputs(name: str, value: Tensor, least_rank: int = 2) -> np.ndarray:
    """The array of an input, checked: rank, type, samples, NaN."""
    array = np.asanyarray(value)
    _check_numbers(name, array)
    if array.ndim < least_rank:
        raise ValueError(
            f"Argument `{name}` must have rank {least_rank} or more: samples first. "
            f"Received: {name}.shape={array.shape}"
        )
    if array.size == 0:
        raise ValueError(f"Argument `{name}` must not be empty. Received: {name}.shape={array.shape}")
    check_finite(name, array)
    return array


def _column(name: str, value: Tensor) -> np.ndarray:
    """The array of labels, numbers or groups, checked, as int32 or float32."""
    array = one_label_each(name, np.asarray(value))
    _check_numbers(name, array)
    if array.ndim != 1:
        raise ValueError(f"Argument `{name}` must have rank 1. Received: {name}.shape={array.shape}")
    if array.dtype.kind == "f" and name != "y":
        raise ValueError(f"Argument `{name}` must hold integers. Received: {name}.dtype={array.dtype}")
    return _numbers(name, array)


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    """Numbers of samples `[N, ...]`, checked, as int32 or float32."""
    _check_numbers(name, array)
    if array.ndim == 0:
        raise ValueError(f"Argument `{name}` must hold an entry for each sample. Received: {name}={array}")
    if array.dtype.kind == "f":
        check_finite(name, array)
        return array.astype(np.float32)
    limits = np.iinfo(np.int32)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise ValueError(
            f"Argument `{name}` must fit 32-bit integers. Received: {name} from {array.min()} to {array.max()}"
        )
    return array.astype(np.int32)


def _check_numbers(name: str, array: np.ndarray) -> None:
    if array.dtype.kind not in "buif":
        raise ValueError(f"Argument `{name}` must be an array of numbers. Received: {name}.dtype={array.dtype}")


def check_finite(name: str, array: np.ndarray) -> None:
    """Raises if a sample holds NaN or infinity; block by block, to keep a mapped file out of memory."""
    if array.dtype.kind != "f":
        return
    rows = max(1, _BLOCK // max(1, array[:1].size))
    for start in range(0, len(array), rows):
        bad = ~np.isfinite(array[start : start + rows]).reshape(len(array[start : start + rows]), -1).all(axis=1)
        if bad.any():
            sample = start + int(bad.argmax())
            raise ValueError(
                f"Argument `{name}` must be finite. Received: {name} with NaN or infinity in sample {sample}"
            )
