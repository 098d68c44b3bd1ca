"""Masks of another size in every image."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor

SHAPES = ("block", "random")


@keras.saving.register_keras_serializable(package="keras_ssl")
class RatioMask:
    """Hides a random share of the patches of some images, and none of the others, as iBOT and DINOv2 do.

    An image is masked with the given probability. Of its T patches `floor(T * r)` are hidden, r uniform in `ratio`.
    They are spread at random, or form a block: those nearest to a random patch, in a rectangle whose height over width
    is log-uniform in [0.3, 1 / 0.3]. The authors put several rectangles together until there are enough; one has the
    exact number and needs no loop.

    Args:
        ratio: range of the share, in [0, 1). Defaults to (0.1, 0.5).
        probability: of an image to be masked, in [0, 1]. Defaults to 0.5.
        shape: "block" (default) or "random".

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> mask = RatioMask((0.25, 0.5), probability=1.0)
    >>> places, chosen = mask.draw(keras_ssl.random.Stream(0, 0, keras.ops.arange(3)), (4, 4))
    >>> tuple(places.shape), tuple(chosen.shape)
    ((3, 8), (3, 8))

    Reference: Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", ICLR 2022.
    """

    def __init__(self, ratio: Sequence[float] = (0.1, 0.5), probability: float = 0.5, shape: str = "block") -> None:
        if isinstance(ratio, str) or not isinstance(ratio, Sequence) or len(ratio) != 2:
            raise ValueError(f"`ratio` must be a range (low, high). Received: ratio={ratio!r}")
        low, high = (check_number("ratio", bound, 0.0, 1.0) for bound in ratio)
        if not low <= high < 1.0:
            raise ValueError(f"`ratio` must be a range (low, high) below 1. Received: ratio={ratio!r}")
        if shape not in SHAPES:
            raise ValueError(f"`shape` must be one of {SHAPES}. Received: shape={shape!r}")
        self.ratio = (low, high)
        self.probability = check_number("probability", probability, 0.0, 1.0)
        self.shape = shape

    def count(self, grid: tuple[int, ...]) -> int:
        """The most patches that are hidden, M; at least 1, so that there is something to name."""
        return max(1, int(math.prod(grid) * self.ratio[1]))

    def draw(self, stream: Stream, grid: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Which patches are hidden.

        Args:
            stream: the random numbers of the N samples.
            grid: (rows, columns) of the patches, numbered row by row.

        Returns:
            Numbers of M patches, int32 `[N, M]`, and 1 for those that are hidden, else 0, float32 `[N, M]`.
        """
        ops, patches = keras.ops, math.prod(grid)
        ratio, lot = stream.uniform(*self.ratio), stream.uniform()
        wanted = ops.where(lot < self.probability, ops.floor(ratio * patches + 1e-4), 0.0)
        if self.shape == "random":
            order = stream.uniform(shape=(patches,))
        else:
            order = self._distances(stream, grid)
        places = ops.cast(ops.argsort(order, axis=1)[:, : self.count(grid)], "int32")
        chosen = ops.arange(places.shape[1], dtype="float32") < wanted[:, None]
        return places, ops.cast(chosen, "float32")

    def draw_times(self, stream: Stream, grid: tuple[int, ...], times: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        """Which patches are hidden in each of several crops, one crop of all samples after the other.

        Args:
            stream: the random numbers of the N samples.
            grid: (rows, columns) of the patches, T in all.
            times: number of crops. Defaults to 1.

        Returns:
            What `draw` gives, `[times * N, M]` each, and 1 for hidden patches, else 0, float32 `[times * N, T]`.
        """
        ops = keras.ops
        drawn = [self.draw(stream, grid) for _ in range(times)]
        places, chosen = (ops.concatenate(part, axis=0) for part in zip(*drawn, strict=True))
        hidden = ops.sum(ops.one_hot(places, math.prod(grid), dtype="float32") * chosen[:, :, None], axis=1)
        return places, chosen, hidden

    def _distances(self, stream: Stream, grid: tuple[int, ...]) -> Tensor:
        """Distances from a random patch, in a norm whose balls are rectangles; no two are equal."""
        ops, (rows, columns) = keras.ops, grid
        center = stream.uniform(shape=(2,))
        stretch = ops.exp(stream.uniform(math.log(0.3), math.log(1 / 0.3)) / 2)[:, None]
        row = ops.repeat(ops.arange(rows, dtype="float32"), columns) + 0.5
        column = ops.tile(ops.arange(columns, dtype="float32"), (rows,)) + 0.5
        down = ops.abs(row - center[:, :1] * rows) / stretch
        across = ops.abs(column - center[:, 1:] * columns) * stretch
        return ops.maximum(down, across) + 1e-3 * stream.uniform(shape=(rows * columns,))

    def get_config(self) -> dict[str, Any]:
        return {"ratio": list(self.ratio), "probability": self.probability, "shape": self.shape}
