"""A memory of one embedding for every sample of a data set."""

from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MemoryBank(keras.layers.Layer):
    """One unit vector for each sample, by the sample's index; float32 `[size, dimension]`, saved with the model.

    `row = normalise((1 - momentum) * row + momentum * embedding)`. A row is zero until its sample is first seen, and
    takes the first embedding as it comes.

    Args:
        size: number of samples of the data set.
        dimension: width of an embedding.
        momentum: share of the new embedding, in (0, 1]. Defaults to 0.5.

    Raises:
        ValueError: if a size is not a positive integer or the momentum lies outside (0, 1].

    Example:

    >>> bank = MemoryBank(4, 2)
    >>> bank.update(np.array([3]), np.array([[0.0, 2.0]], "float32"))
    >>> [float(value) for value in bank(np.array([3]))[0]]
    [0.0, 1.0]
    """

    def __init__(self, size: int, dimension: int, momentum: float = 0.5, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        for name, value in (("size", size), ("dimension", dimension)):
            if int(value) != value or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value}")
        if not 0 < momentum <= 1:
            raise ValueError(f"`momentum` must lie in (0, 1]. Received: momentum={momentum}")
        self.size, self.dimension, self.momentum = int(size), int(dimension), momentum
        shape = (self.size, self.dimension)
        self._rows = self.add_weight(name="rows", shape=shape, initializer="zeros", trainable=False)
        self.built = True

    @property
    def rows(self) -> Tensor:
        """All rows, `[size, dimension]`."""
        return keras.ops.convert_to_tensor(self._rows)

    @property
    def seen(self) -> Tensor:
        """Whether each sample was ever seen, booleans `[size]`."""
        return keras.ops.any(keras.ops.not_equal(self.rows, 0.0), axis=1)

    def call(self, index: Tensor) -> Tensor:
        """The rows of the samples `index` `[N]`: `[N, dimension]`. NaN for a sample that the bank does not have."""
        index, inside = self._places(index)
        rows = keras.ops.take(self.rows, index, axis=0)
        return keras.ops.where(inside[:, None], rows, float("nan"))

    def update(self, index: Tensor, embeddings: Tensor, updated: Tensor | bool = True) -> None:
        """Moves the rows of the samples `index` `[N]` towards `embeddings` `[N, dimension]`, where `updated` is true.

        An embedding of a sample that the bank does not have is left out.
        """
        ops = keras.ops
        index, inside = self._places(index)
        everything = self.rows
        old = ops.take(everything, index, axis=0)
        new = l2_normalize(ops.cast(embeddings, everything.dtype))
        first = ops.all(ops.equal(old, 0.0), axis=1, keepdims=True)
        new = ops.where(first, new, l2_normalize((1.0 - self.momentum) * old + self.momentum * new))
        new = ops.where(ops.logical_and(inside[:, None], updated), new, old)
        self._rows.assign(ops.scatter_update(everything, index[:, None], new))

    def _places(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Indices that can be read, and whether they are those that were asked for."""
        index = keras.ops.cast(index, "int32")
        clipped = keras.ops.clip(index, 0, self.size - 1)
        return clipped, keras.ops.equal(index, clipped)

    def check_index(self, count: int, index: Any = None) -> None:
        """Raises a `ValueError` where a data set of `count` samples, or its `index`, goes beyond the bank."""
        low, high = (0, count - 1) if index is None else (int(np.min(index)), int(np.max(index)))
        if low < 0 or high >= self.size:
            raise ValueError(
                f"The memory holds {self.size} samples, with the indices 0 to {self.size - 1}. "
                f"Received: data with the indices {low} to {high}"
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "dimension": self.dimension,
            "momentum": self.momentum,
        }
