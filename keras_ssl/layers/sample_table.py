"""A table of numbers for every sample of a data set."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class SampleTable(StateLayer):
    """A row of numbers for each sample, found by the sample's number (`index` of a batch); float32, saved.

    A number that the table does not have gives a row of NaN, which the loss shows, rather than the row of another
    sample, which nothing would show. `check_index` makes an error of it where the numbers are known beforehand.

    Args:
        size: number of samples in the data set.
        initial: what each row holds at the start; its length is the width of the table.

    Raises:
        ValueError: if `size` is not a positive integer or `initial` empty.

    Example:

    >>> table = SampleTable(4, initial=(0.0, 0.1))
    >>> table.update(np.array([2]), np.array([[5.0, 0.5]], "float32"))
    >>> [float(number) for number in table.gather(np.array([2, 3]))[:, 0]]
    [5.0, 0.0]
    """

    def __init__(self, size: int, initial: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not len(initial):
            raise ValueError(f"`initial` must hold at least one number. Received: initial={initial}")
        self.size = check_integer("size", size, 1)
        self.initial = [float(number) for number in initial]
        start = np.tile(np.asarray(self.initial, "float32"), (self.size, 1))
        self._rows = self.add_weight(
            name="rows",
            shape=start.shape,
            initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(start, dtype=dtype),
            trainable=False,
        )
        self.built = True

    @property
    def contents(self) -> Tensor:
        """The table, `[size, width]`."""
        return keras.ops.convert_to_tensor(self._rows)

    def gather(self, index: Tensor) -> Tensor:
        """The rows of the samples `index` `[N]`, `[N, width]`; NaN for a sample that the table does not have."""
        index = keras.ops.cast(index, "int32")
        rows = keras.ops.take(self.contents, keras.ops.clip(index, 0, self.size - 1), axis=0)
        known = keras.ops.expand_dims(self._known(index), 1)
        return keras.ops.where(known, rows, keras.ops.full_like(rows, np.nan))

    def update(self, index: Tensor, rows: Tensor, updated: Tensor | bool = True) -> None:
        """Puts `rows` `[N, width]` in the places of the samples `index` `[N]`; those that it lacks are ignored.

        Args:
            index: numbers of the samples, each at most once: of two rows for one place, either may stay.
            rows: the new rows.
            updated: where false, the table stays as it is.
        """
        index, old = keras.ops.cast(index, "int32"), self.contents
        place = keras.ops.where(self._known(index), index, keras.ops.full_like(index, self.size))
        # A spare row takes what belongs nowhere: backends differ in what they do with places beyond the end.
        spare = keras.ops.concatenate([old, keras.ops.zeros_like(old[:1])], axis=0)
        new = keras.ops.scatter_update(spare, keras.ops.expand_dims(place, 1), keras.ops.cast(rows, old.dtype))
        self._rows.assign(keras.ops.where(updated, new[: self.size], old))

    def check_index(self, index: Any, argument: str) -> None:
        """Raises a `ValueError` if the table lacks a sample.

        Args:
            index: numbers of samples, integers `[N]`.
            argument: the name under which a user set the table's size.
        """
        if not len(index):
            return
        lowest, highest = int(np.min(index)), int(np.max(index))
        if lowest < 0 or highest >= self.size:
            raise ValueError(
                f"`{argument}` must be greater than every sample's number, and no number negative. "
                f"Received: {argument}={self.size}, index from {lowest} to {highest}"
            )

    def _known(self, index: Tensor) -> Tensor:
        return keras.ops.logical_and(index >= 0, index < self.size)
