"""Blocks of patches to predict, and what is seen of the rest."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiBlockMask:
    """Draws rectangular targets of one area at random places, and a context that has no patch in common with them.

    A target has height `round(sqrt(target * T * aspect))` and width `round(sqrt(target * T / aspect))`, or the other
    way round where both fit, each equally likely. Targets may overlap. The context lies in a square block of the share
    `context` of the image, at a random place, without the patches of the targets. Of what is left of it, K patches are
    kept at random: so many as are left where no targets overlap and all lie within the block. So the shapes are known.

    The authors draw the sizes anew for each batch, and keep as many context patches as the poorest image of the batch
    has.

    Args:
        target: share of the patches in a target, in (0, 1). Defaults to 0.175, the middle of the authors' range.
        targets: number of targets. Defaults to 4.
        aspect: height over width, or width over height, at least 1. Defaults to 4/3.
        context: share of the patches in the context's block, in (0, 1]. Defaults to 1.

    Raises:
        ValueError: if an argument is out of range, or (when called) no patch is left for the context.

    Example:

    >>> stream = keras_ssl.random.Stream(0, 0, keras.ops.arange(2))
    >>> context, targets = MultiBlockMask(0.15, targets=2).split(stream, (6, 6))
    >>> tuple(context.shape), tuple(targets.shape)
    ((2, 24), (2, 2, 6))

    Reference: Assran et al., "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture",
    CVPR 2023.
    """

    def __init__(
        self, target: float = 0.175, targets: int = 4, aspect: float = 4.0 / 3.0, context: float = 1.0
    ) -> None:
        self.target = check_number("target", target, 0.0, 1.0, above=True)
        self.targets = check_integer("targets", targets, 1)
        self.aspect = check_number("aspect", aspect, 1.0)
        self.context = check_number("context", context, 0.0, 1.0, above=True)

    def sides(self, grid: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a target, in patches."""
        area, (rows, columns) = self.target * math.prod(grid), grid
        height, width = round(math.sqrt(area * self.aspect)), round(math.sqrt(area / self.aspect))
        return min(max(height, 1), rows), min(max(width, 1), columns)

    def counts(self, grid: tuple[int, ...]) -> tuple[int, int]:
        """Number of patches of the context, K, and of a target, M."""
        predicted = math.prod(self.sides(grid))
        seen = math.prod(self._block(grid)) - self.targets * predicted
        if seen < 1:
            raise ValueError(
                f"`target`, `targets` and `context` leave no patch of {math.prod(grid)} for the context. "
                f"Received: target={self.target}, targets={self.targets}, context={self.context}"
            )
        return seen, predicted

    def _block(self, grid: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of the context's block."""
        side = math.sqrt(self.context)
        return max(1, round(side * grid[0])), max(1, round(side * grid[1]))

    def split(self, stream: Stream, grid: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The numbers of the patches of context and targets, int32 `[N, K]` and `[N, targets, M]`, ascending."""
        ops, patches = keras.ops, math.prod(grid)
        seen, _ = self.counts(grid)
        height, width = self.sides(grid)
        turns = height <= grid[1] and width <= grid[0] and height != width
        parts = []
        for _ in range(self.targets):
            upright = _rectangle(stream, grid, height, width)
            if turns:
                lying = _rectangle(stream, grid, width, height)
                upright = ops.where(stream.uniform()[:, None] < 0.5, upright, lying)
            parts.append(upright)
        targets = ops.stack(parts, axis=1)
        block = _rectangle(stream, grid, *self._block(grid))
        inside = ops.sum(ops.one_hot(block, patches, dtype="float32"), axis=1)
        taken = ops.max(ops.one_hot(targets, patches, dtype="float32"), axis=(1, 2))
        free = inside * (1.0 - taken)
        order = ops.argsort(stream.uniform(shape=(patches,)) - free, axis=1)
        return ops.sort(ops.cast(order[:, :seen], "int32"), axis=1), targets

    def get_config(self) -> dict[str, Any]:
        return {"target": self.target, "targets": self.targets, "aspect": self.aspect, "context": self.context}


def _rectangle(stream: Stream, grid: tuple[int, ...], height: int, width: int) -> Tensor:
    """The patches of a rectangle at a random place, row by row: int32 `[N, height * width]`."""
    rows, columns = grid
    top, left = stream.integers(rows - height + 1), stream.integers(columns - width + 1)
    inside = np.arange(height)[:, None] * columns + np.arange(width)
    return (top * columns + left)[:, None] + keras.ops.convert_to_tensor(inside.reshape(-1).astype("int32"))
