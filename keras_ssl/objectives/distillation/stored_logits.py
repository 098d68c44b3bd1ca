"""A teacher that is a table of its outputs."""

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.training.reference import Reference
from keras_ssl.typing import Tensor

_KEY = "stored_logits"


class StoredLogits:
    """A teacher's outputs for every sample, found by the sample's number: a plain object, whose numbers are no weights.

    Args:
        source: an array `[M, classes]`, or the path of a file that `numpy.save` wrote of one.

    Raises:
        ValueError: if the logits are not finite numbers in a matrix, or the file cannot be read.
    """

    def __init__(self, source: np.ndarray | str | os.PathLike[str]) -> None:
        self.source = None if isinstance(source, np.ndarray) else os.fspath(source)
        try:
            array = source if isinstance(source, np.ndarray) else np.load(source, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"The file of `teacher` cannot be read ({error}). Received: teacher={source!r}") from error
        if array.ndim != 2 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(
                "Stored logits must be finite numbers [samples, classes]. "
                f"Received: teacher of shape {array.shape} and type {array.dtype}"
            )
        self.array = np.asarray(array, "float32")

    @property
    def width(self) -> int:
        return int(self.array.shape[1])

    def take(self, index: Tensor) -> Tensor:
        """The rows of the samples `index`; NaN for a sample that the table does not have."""
        ops = keras.ops
        index = ops.cast(index, "int32")
        rows = ops.take(ops.convert_to_tensor(self.array), ops.clip(index, 0, len(self.array) - 1), axis=0)
        known = ops.logical_and(index >= 0, index < len(self.array))
        return ops.where(known[:, None], rows, ops.full_like(rows, np.nan))

    def check(self, index: Any) -> None:
        """Raises a `ValueError` where a sample's number is outside of the table."""
        numbers = np.asarray(keras.ops.convert_to_numpy(index))
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(self.array)):
            raise ValueError(
                f"Stored logits must have a row for each sample's number. Received: {len(self.array)} rows, index from "
                f"{numbers.min()} to {numbers.max()}"
            )

    @property
    def argument(self) -> dict[str, str]:
        """What `as_teacher` makes the same table of.

        Raises:
            ValueError: if the logits were given as an array.
        """
        if self.source is None:
            raise ValueError(
                "An objective with stored logits in memory cannot be saved: write them with numpy.save, and give "
                f"{{{_KEY!r}: path}}. Received: teacher of shape {self.array.shape}"
            )
        return {_KEY: self.source}

    def __deepcopy__(self, memo: dict[int, Any]) -> "StoredLogits":
        return self


def as_teacher(teacher: Any) -> Reference | StoredLogits:
    """The teacher that an argument stands for.

    Args:
        teacher: an array of logits, or `{"stored_logits": path}`: a `StoredLogits`. Anything else: a `Reference`.

    Raises:
        ValueError: if there is no such teacher. A path of a `.npy` file alone is refused, with the form to write.
    """
    if isinstance(teacher, np.ndarray):
        return StoredLogits(teacher)
    if isinstance(teacher, Mapping):
        if set(teacher) != {_KEY}:
            raise ValueError(f"`teacher` as a dict must have the key {_KEY!r} alone. Received: teacher={dict(teacher)}")
        return StoredLogits(teacher[_KEY])
    if isinstance(teacher, str | os.PathLike) and os.fspath(teacher).endswith(".npy"):
        raise ValueError(f"For a file of stored logits, give {{{_KEY!r}: path}}. Received: teacher={teacher!r}")
    return Reference(teacher)
