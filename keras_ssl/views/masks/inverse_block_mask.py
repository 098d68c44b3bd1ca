"""A block of tokens that stays visible."""

import math
from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.masks.mask_sampler import MaskSampler


@keras.saving.register_keras_serializable(package="keras_ssl")
class InverseBlockMask(MaskSampler):
    """Hides the tokens outside of a block, exactly the same number in every sample.

    Of T tokens `max(1, round(T * (1 - ratio)))` stay visible: those nearest to a random point, in a rectangle whose
    height over width is log-uniform in [1/2, 2]. With `roll` the grid has no edges: a block that leaves it at one side
    comes in at the other, so that each token is visible equally often; without, a block at an edge is cut off and
    grows inward.

    Args:
        ratio: share that is hidden, in [0, 1). Defaults to 0.65, CAPI's.
        roll: whether blocks go around. Defaults to False.

    Raises:
        ValueError: if `ratio` lies outside [0, 1).

    Example:

    >>> keep, hidden = InverseBlockMask(0.75).split(keras_ssl.random.Stream(0, 0, keras.ops.arange(3)), (4, 4))
    >>> tuple(keep.shape), tuple(hidden.shape)
    ((3, 4), (3, 12))

    Reference: Darcet et al., "Cluster and Predict Latent Patches for Improved Masked Image Modeling", TMLR 2025;
    Baevski et al., "Efficient Self-supervised Learning with Contextualized Target Representations for Vision, Speech
    and Language", ICML 2023.
    """

    def __init__(self, ratio: float = 0.65, roll: bool = False) -> None:
        self.ratio = check_number("ratio", ratio, 0.0, 1.0)
        if self.ratio == 1.0:
            raise ValueError(f"`ratio` must be less than 1. Received: ratio={ratio}")
        self.roll = bool(roll)

    def count(self, grid: tuple[int, ...]) -> int:
        return max(1, round(math.prod(grid) * (1.0 - self.ratio)))

    def split(self, stream: Stream, grid: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The numbers of the visible and of the hidden tokens, int32 `[N, K]` and `[N, T - K]`, ascending."""
        ops, (rows, columns), count = keras.ops, grid, self.count(grid)
        center = stream.uniform(shape=(2,))
        stretch = ops.exp(stream.uniform(-math.log(2.0) / 2, math.log(2.0) / 2))[:, None]
        row = ops.repeat(ops.arange(rows, dtype="float32"), columns) + 0.5
        column = ops.tile(ops.arange(columns, dtype="float32"), (rows,)) + 0.5
        down, across = ops.abs(row - center[:, :1] * rows), ops.abs(column - center[:, 1:] * columns)
        if self.roll:
            down, across = ops.minimum(down, rows - down), ops.minimum(across, columns - across)
        # No two distances are equal.
        distance = ops.maximum(down / stretch, across * stretch) + 1e-3 * stream.uniform(shape=(rows * columns,))
        order = ops.cast(ops.argsort(distance, axis=1), "int32")
        return ops.sort(order[:, :count], axis=1), ops.sort(order[:, count:], axis=1)

    def __call__(self, stream: Stream, grid: tuple[int, ...]) -> Tensor:
        return self.split(stream, grid)[0]

    def get_config(self) -> dict[str, Any]:
        return {"ratio": self.ratio, "roll": self.roll}
