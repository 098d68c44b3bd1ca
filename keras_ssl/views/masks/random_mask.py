"""Tokens hidden at random."""

import math
from typing import Any

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.masks.mask_sampler import MaskSampler


@keras.saving.register_keras_serializable(package="keras_ssl")
class RandomMask(MaskSampler):
    """Hides a share of the tokens, each equally likely, exactly the same number in every sample.

    Of T tokens `int(T * (1 - ratio))` stay visible, as in MAE.

    Args:
        ratio: share that is hidden, in [0, 1). Defaults to 0.75, MAE's.

    Raises:
        ValueError: if `ratio` lies outside [0, 1), or (when called) no token would stay visible.

    Example:

    >>> keep = RandomMask(0.5)(Stream(0, 0, keras.ops.arange(3)), (2, 4))
    >>> tuple(keep.shape)
    (3, 4)

    Reference: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
    """

    def __init__(self, ratio: float = 0.75) -> None:
        if not 0.0 <= ratio < 1.0:
            raise ValueError(f"`ratio` must lie in [0, 1). Received: ratio={ratio}")
        self.ratio = float(ratio)

    def count(self, grid: tuple[int, ...]) -> int:
        tokens = math.prod(grid)
        visible = int(tokens * (1.0 - self.ratio))
        if not visible:
            raise ValueError(
                f"`ratio` must leave at least one of the {tokens} tokens visible. Received: ratio={self.ratio}"
            )
        return visible

    def __call__(self, stream: Stream, grid: tuple[int, ...]) -> Tensor:
        chosen = stream.permutations(math.prod(grid))[:, : self.count(grid)]
        return keras.ops.sort(chosen, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {"ratio": self.ratio}
