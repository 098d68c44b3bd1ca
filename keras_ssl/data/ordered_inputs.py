"""The inputs of a data set in the order of its samples, each once: what `predict` takes."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer


class OrderedInputs(keras.utils.PyDataset):
    """Batches `(x,)` of a data set of this library, for `predict` of any Keras model.

    Order and number are those of the samples, whatever the data set shuffles or drops in training, and its epoch stays
    as it is. Images of files are read batch by batch, so memory does not grow with their number.

    Args:
        data: an `EpochBatches` that has one input per sample.
        numbers: which samples, integers `[N]`. Defaults to None: all.
        batch_size: samples in a batch. Defaults to None: that of `data`.

    Raises:
        ValueError: if a sample of the data set has not one input.

    Attributes:
        data, numbers, batch_size: as given.
        undecoded: places, among the samples, of images that could not be decoded as far as they were read; their
            pixels are 0.
    """

    def __init__(self, data: Any, numbers: np.ndarray | None = None, batch_size: int | None = None) -> None:
        super().__init__()
        if not data.one_input:  # at once: on JAX, Keras loses a model's weights where `predict` ends by an error
            raise ValueError(
                "The data set must have one input per sample, and not ready-made views or pairs. "
                f"Received: data of type {type(data).__name__}"
            )
        self.data = data
        self.numbers = np.arange(data.count) if numbers is None else np.asarray(numbers, np.int64)
        self.batch_size = check_integer("batch_size", data.batch_size if batch_size is None else batch_size, 1)
        self.undecoded: set[int] = set()
        self._next = -1
        self._stream: Iterator[tuple[Any, np.ndarray | None]] = iter(())

    def __len__(self) -> int:
        return -(-len(self.numbers) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"Argument `index` must be from 0 to {len(self) - 1}. Received: index={index}")
        start = index * self.batch_size
        if index != self._next:  # reading in order goes on where the last batch ended
            self._stream = self.data.read_inputs(self.numbers[start:], self.batch_size)
        x, decoded = next(self._stream)
        self._next = index + 1
        if decoded is not None:
            self.undecoded.update((start + np.flatnonzero(~decoded)).tolist())
        return (x,)

    def without_undecoded(self, outputs: Any) -> Any:
        """Outputs `[N, ...]` of a model, NaN where there was no image; one array or a structure of them."""
        if not self.undecoded:
            return outputs
        rows = sorted(self.undecoded)

        def marked(array: np.ndarray) -> np.ndarray:
            array = np.array(array)
            if array.dtype.kind == "f":
                array[rows] = np.nan
            return array

        return keras.tree.map_structure(marked, outputs)
