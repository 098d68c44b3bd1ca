"""Two disjoint parts of the tokens: what is seen, and what is predicted from it."""

import math
from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.masks.mask_sampler import MaskSampler


@keras.saving.register_keras_serializable(package="keras_ssl")
class ContextTargetMask(MaskSampler):
    """Draws a context and targets disjoint from it, each token equally likely, of the same sizes in every sample.

    Of T tokens the context has `max(1, int(context * T))` and each target `max(1, int(target * T))`. Targets may have
    tokens in common with one another. Tokens in neither are not used.

    Args:
        context: share of the tokens in the context, in (0, 1). Defaults to 0.5.
        target: share of the tokens in a target, in (0, 1); both together at most 1. Defaults to 0.25.
        targets: number of targets. Defaults to 1.

    Raises:
        ValueError: if an argument is out of range, or (when called) there are too few tokens for both.

    Example:

    >>> context, targets = ContextTargetMask(0.5, 0.25, targets=3).split(Stream(0, 0, keras.ops.arange(2)), (8,))
    >>> tuple(context.shape), tuple(targets.shape)
    ((2, 4), (2, 3, 2))
    """

    def __init__(self, context: float = 0.5, target: float = 0.25, targets: int = 1) -> None:
        for name, share in (("context", context), ("target", target)):
            if not 0.0 < share < 1.0:
                raise ValueError(f"`{name}` must lie in (0, 1). Received: {name}={share}")
        if context + target > 1.0 + 1e-9:
            raise ValueError(
                f"`context` and `target` must be at most 1 together. Received: context={context}, target={target}"
            )
        self.context, self.target = float(context), float(target)
        self.targets = check_integer("targets", targets, 1)

    def count(self, grid: tuple[int, ...]) -> int:
        return self.counts(grid)[0]

    def counts(self, grid: tuple[int, ...]) -> tuple[int, int]:
        """Number of tokens of the context, and of a target."""
        tokens = math.prod(grid)
        # A share such as 0.3 is not exact: 0.3 of 10 tokens must be 3.
        seen, predicted = (max(1, int(share * tokens + 1e-6)) for share in (self.context, self.target))
        if seen + predicted > tokens:
            raise ValueError(f"Context and target need two tokens or more. Received: {tokens} tokens")
        return seen, predicted

    def split(self, stream: Stream, grid: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """The numbers of the tokens of context and targets, int32 `[N, K]` and `[N, targets, M]`, ascending."""
        ops, tokens = keras.ops, math.prod(grid)
        seen, predicted = self.counts(grid)
        order = stream.permutations(tokens)
        others = order[:, seen:]
        parts = []
        for _ in range(self.targets):
            places = stream.permutations(tokens - seen)[:, :predicted]
            parts.append(ops.sort(ops.take_along_axis(others, places, axis=1), axis=1))
        return ops.sort(order[:, :seen], axis=1), ops.stack(parts, axis=1)

    def __call__(self, stream: Stream, grid: tuple[int, ...]) -> Tensor:
        """The context of `split`."""
        return self.split(stream, grid)[0]

    def get_config(self) -> dict[str, Any]:
        return {"context": self.context, "target": self.target, "targets": self.targets}
