"""The base of mask samplers."""

import math
from typing import Any, Self

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor


class MaskSampler:
    """Draws the visible tokens of each sample, as numbers `keep [N, K]`; K depends on the grid alone.

    A sampler holds settings and no state. The draws are a pure function of the stream's seed, step and positions, the
    same on every backend. A subclass writes `__init__`, `count`, `__call__` and `get_config`, and is registered with
    `keras.saving.register_keras_serializable`.
    """

    def count(self, grid: tuple[int, ...]) -> int:
        """Number K of visible tokens of a grid."""
        raise NotImplementedError(f"{type(self).__name__} must define `count(grid)`.")

    def __call__(self, stream: Stream, grid: tuple[int, ...]) -> Tensor:
        """The numbers of the visible tokens, int32 `[N, K]`, ascending and without repetition.

        Args:
            stream: the random numbers of the N samples.
            grid: how the tokens lie, such as (rows, columns); they are numbered row by row.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(stream, grid)`.")

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`, as plain JSON types."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def hidden_tokens(keep: Tensor, grid: tuple[int, ...]) -> Tensor:
    """1 for the tokens that `keep` does not name, else 0: float32 `[N, T]`.

    Example:

    >>> keras.ops.convert_to_numpy(hidden_tokens(keras.ops.array([[0, 2]]), (2, 2))).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    visible = keras.ops.sum(keras.ops.one_hot(keep, math.prod(grid), dtype="float32"), axis=1)
    return 1.0 - visible
