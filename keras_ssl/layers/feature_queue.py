"""The queue of past keys that MoCo contrasts against."""

from typing import Any

import keras
import numpy as np

from keras_ssl.layers.state_layer import Plan, StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import normal_array
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class FeatureQueue(StateLayer):
    """The last `size` embeddings, newest first; float32 `[size, dimension]`, saved with the model.

    Starts as random unit vectors, as in MoCo, the same on every backend for one seed; or empty, as rows of zeros.

    Args:
        size: number of embeddings kept.
        dimension: width of an embedding.
        seed: of the initial content. Defaults to 0.
        empty: whether it starts empty. Defaults to False.

    Raises:
        ValueError: if `size` or `dimension` is not a positive integer, or (from `enqueue`) if a batch is larger than
            the queue.

    Example:

    >>> queue = FeatureQueue(4, 2)
    >>> queue.enqueue(np.ones((3, 2), "float32"))
    >>> tuple(queue.contents.shape)
    (4, 2)
    """

    def __init__(self, size: int, dimension: int, seed: int = 0, empty: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("size", size), ("dimension", dimension)):
            check_integer(name, value, 1)
        self.size, self.dimension, self.seed, self.empty = int(size), int(dimension), int(seed), empty
        start = normal_array((self.size, self.dimension), self.seed)
        start *= 0.0 if empty else 1.0 / np.linalg.norm(start, axis=1, keepdims=True)
        self._contents = self.add_weight(
            name="contents",
            shape=(self.size, self.dimension),
            initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(start, dtype=dtype),
            trainable=False,
        )
        self.built = True

    @property
    def contents(self) -> Tensor:
        """The queue, `[size, dimension]`, newest first."""
        return keras.ops.convert_to_tensor(self._contents)

    @property
    def full(self) -> Tensor:
        """Whether every row holds an embedding, a boolean scalar (an embedding is not zero)."""
        return keras.ops.any(keras.ops.not_equal(self.contents[-1], 0.0))

    def enqueue(self, embeddings: Tensor, updated: Tensor | bool = True) -> None:
        """Puts `embeddings` `[N, dimension]` (the global batch's) in front and drops the oldest.

        Args:
            embeddings: what to add; not normalized here.
            updated: where false, the queue stays as it is.
        """
        if embeddings.shape[0] is not None:
            self.check_batch_size(embeddings.shape[0])
        old = self.contents
        shifted = keras.ops.concatenate([keras.ops.cast(embeddings, old.dtype), old], axis=0)[: self.size]
        self._contents.assign(keras.ops.where(updated, shifted, old))

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a `ValueError` if the queue is smaller than a global batch."""
        if batch_size > self.size:
            raise ValueError(
                "The queue must hold at least one global batch. "
                f"Received: size={self.size}, a batch of {batch_size} embeddings"
            )

    def advice(self, plan: Plan) -> list[str]:
        if plan.batch_size is None:
            return []
        keys = None if plan.updates is None else plan.updates * plan.batch_size
        held = [number for number in (plan.samples, keys and keys // 2, self.size) if number is not None]
        fits = max(min(held) // 2 // plan.batch_size, 1) * plan.batch_size  # whole batches, as some queues want them
        if keys is not None and self.size > keys:
            reason = (
                f"the run gives the queue {keys} embeddings ({plan.updates} updates of {plan.batch_size} samples), so "
                "that it is never full of real ones"
            )
        elif plan.samples is not None and self.size > 2 * plan.samples:
            reason = f"the data have {plan.samples} samples, so that the queue holds each several times"
        else:
            return []
        return [f"`queue_size={self.size}`: {reason}; `queue_size={fits}` would suit."]
