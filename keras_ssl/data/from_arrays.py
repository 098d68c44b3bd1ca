"""Arrays in memory as batches in an order that is a pure function of (seed, epoch)."""

from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.typing import Tensor

_BLOCK = 2**24  # numbers checked for NaN at a time


def from_arrays(
    x: Tensor | tuple[Tensor, ...],
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
) -> "ArrayBatches":
    """Makes a data set of arrays, for `fit` on any backend (TensorFlow is not needed).

    Each batch is a dict: `"x"`, `"index"`, and `"y"` and `"group"` where they are given. Epoch `e` sees the
    samples in the order `keras_ssl.random.permutation(len(x), seed, e)`, so a resumed run sees what the
    uninterrupted one would. `epoch` is an attribute of the result: it grows by one at the end of each epoch,
    and can be set.

    Args:
        x: the inputs, an array `[N, ...]` of rank 2 or more, or a tuple of arrays: ready-made views. The
            numbers are handed on as they are (uint8 stays uint8), except that float64 becomes float32.
            Memory-mapped arrays work.
        y: labels, `[N]`: class numbers, -1 for an unlabelled sample, or floating-point targets. Defaults to
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
        on_device: whether `x` is copied to the accelerator at once, as a whole, and batches are gathered there
            instead of being copied from the host in each step: for uint8 images that fit beside the model. The
            batches are the same, bit for bit. For `fit` of the objectives of this library, on one device of
            TensorFlow, or on JAX. Defaults to `False`.

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
    arguments = (x, y, index, group, batch_size, seed, shuffle, drop_remainder, epoch)
    if on_device:
        from keras_ssl.data.device_batches import DeviceBatches  # builds on this file, and imports the backend

        return DeviceBatches(*arguments)
    return ArrayBatches(*arguments)


class ArrayBatches(EpochBatches):
    """The data set that `from_arrays` makes; its arguments are described there."""

    def __init__(
        self,
        x: Tensor | tuple[Tensor, ...],
        y: Tensor | None,
        index: Tensor | None,
        group: Tensor | None,
        batch_size: int,
        seed: int,
        shuffle: bool,
        drop_remainder: bool,
        epoch: int,
    ) -> None:
        if isinstance(x, tuple | list):
            if not x:
                raise ValueError("Argument `x` must hold at least one array. Received: x=()")
            views = tuple(_inputs(f"x[{i}]", view) for i, view in enumerate(x))
            self._x: Any = views
        else:
            views = (_inputs("x", x),)
            self._x = views[0]
        count = len(views[0])
        columns = {"y": y, "index": np.arange(count) if index is None else index, "group": group}
        self._columns = {name: _column(name, column) for name, column in columns.items() if column is not None}
        lengths = {f"x[{i}]" if len(views) > 1 else "x": len(view) for i, view in enumerate(views)}
        lengths |= {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            received = ", ".join(f"len({name})={length}" for name, length in lengths.items())
            raise ValueError(f"All arrays must hold the same number of samples. Received: {received}")
        super().__init__(count, batch_size, seed, shuffle, drop_remainder, epoch)

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        rows = order[start : start + self.local_batch_size]
        x = tuple(_rows(view, rows) for view in self._x) if isinstance(self._x, tuple) else _rows(self._x, rows)
        return {"x": x} | self._columns_of(rows)

    def _columns_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: column[rows] for name, column in self._columns.items()}


def _rows(view: np.ndarray, rows: np.ndarray) -> np.ndarray:
    batch = view[rows]
    return batch.astype(np.float32) if batch.dtype == np.float64 else batch


def _inputs(name: str, value: Tensor) -> np.ndarray:
    """The array of an input, checked: rank, type, samples, NaN."""
    array = np.asanyarray(value)
    _check_numbers(name, array)
    if array.ndim < 2:
        raise ValueError(
            f"Argument `{name}` must have rank 2 or more: samples first. Received: {name}.shape={array.shape}"
        )
    if array.size == 0:
        raise ValueError(f"Argument `{name}` must not be empty. Received: {name}.shape={array.shape}")
    check_finite(name, array)
    return array


def _column(name: str, value: Tensor) -> np.ndarray:
    """The array of labels, numbers or groups, checked, as int32 or float32."""
    array = np.asarray(value)
    _check_numbers(name, array)
    if array.ndim != 1:
        raise ValueError(f"Argument `{name}` must have rank 1. Received: {name}.shape={array.shape}")
    if array.dtype.kind == "f":
        if name != "y":
            raise ValueError(f"Argument `{name}` must hold integers. Received: {name}.dtype={array.dtype}")
        check_finite(name, array)
        return array.astype(np.float32)
    limits = np.iinfo(np.int32)
    if len(array) and (array.min() < limits.min or array.max() > limits.max):
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
