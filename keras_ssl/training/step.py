"""The context of a step: what an objective may know besides its batch."""

from dataclasses import dataclass

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor

# Out of reach of the draws of the views: those of layers in the networks, and those of the objective itself, for each
# sample and for a step as a whole.
_FIRST_LAYER_DRAW = 2**30
_FIRST_EXTRA_DRAW, _FIRST_STEP_DRAW, _ORDER_DRAW = 2**31, 2**31 + 2**30, 2**32 - 64


@dataclass(frozen=True)
class Step:
    """The context of one step of training or evaluation. Nothing in it depends on the batch's contents.

    Attributes:
        training: whether this is a training step: a Python bool, known when the step is traced.
        seed: the seed of all draws, an integer in [0, 2**32).
        index: number of the step, from 0; int32 scalar. An evaluation counts its own steps.
        position: each local sample's position in the global batch, int32 `[n]`.
        updates: optimizer updates made before this step, int32 scalar.
        total_updates: updates after which training is planned to end, int32 scalar; 0 where it is not known.

    Example:

    >>> step = Step.at(4, seed=1)
    >>> tuple(step.stream().uniform(shape=(2,)).shape), float(step.progress)
    ((4, 2), 0.0)
    """

    training: bool
    seed: int
    index: Tensor
    position: Tensor
    updates: Tensor
    total_updates: Tensor

    @classmethod
    def at(
        cls,
        count: int,
        *,
        training: bool = True,
        seed: int = 0,
        index: int = 0,
        updates: int = 0,
        total_updates: int = 0,
    ) -> "Step":
        """The context of a step by hand, for `count` samples on one device: for tests, and to call `embed`.

        Args:
            count: number of samples.
            training, seed, index, updates, total_updates: as the attributes. Defaults to the first step of training.
        """

        def scalar(value: int) -> Tensor:
            return keras.ops.convert_to_tensor(value, "int32")

        return cls(
            training=training,
            seed=seed,
            index=scalar(index),
            position=keras.ops.arange(count, dtype="int32"),
            updates=scalar(updates),
            total_updates=scalar(total_updates),
        )

    @property
    def progress(self) -> Tensor:
        """`updates / total_updates` in [0, 1], a float32 scalar; 0 where the end is not known.

        Scheduled arguments are functions of it. It is 1 in the step after the last planned update.
        """
        ops = keras.ops
        planned = ops.cast(ops.maximum(self.total_updates, 1), "float32")
        share = ops.minimum(ops.cast(self.updates, "float32") / planned, 1.0)
        return ops.where(self.total_updates > 0, share, ops.zeros_like(share))

    def stream(self) -> Stream:
        """Random numbers of each sample for the objective's own use, independent of those its views draw."""
        return Stream(self.seed, self.index, self.position, first_draw=_FIRST_EXTRA_DRAW)

    def shared_stream(self) -> Stream:
        """Random numbers that all samples of the step share: a stream of one row, the same on every replica."""
        return Stream(self.seed, self.index, keras.ops.zeros((1,), "int32"), first_draw=_FIRST_STEP_DRAW)

    def view_stream(self) -> Stream:
        """The random numbers that views draw."""
        return Stream(self.seed, self.index, self.position)

    def layer_stream(self) -> Stream:
        """The random numbers that layers of the networks draw, by `keras_ssl.random.current_stream`."""
        return Stream(self.seed, self.index, self.position, first_draw=_FIRST_LAYER_DRAW)

    def order(self, count: Tensor) -> Tensor:
        """A random order of the `count` samples of the global batch, int32 `[count]`, the same on every replica."""
        positions = keras.ops.arange(count, dtype="int32")
        return keras.ops.argsort(Stream(self.seed, self.index, positions, first_draw=_ORDER_DRAW).uniform())
