"""A queue that takes some rows of each batch."""

from typing import Any

import keras

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["MaskedQueue"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class MaskedQueue(StateLayer):
    """The last `size` rows that were let in, newest first; float32 `[size, width]`, saved with the model.

    Of each batch any number of rows may be let in, which a `FeatureQueue` cannot do. It starts with rows of zeros.

    Args:
        size: number of rows kept.
        width: of a row.
        **kwargs: `name`, `dtype`.

    Raises:
        ValueError: if `size` or `width` is not a positive integer.

    Example:

    >>> queue = MaskedQueue(3, 1)
    >>> queue.enqueue(np.array([[1.0], [2.0], [3.0]], "float32"), np.array([True, False, True]))
    >>> keras.ops.convert_to_numpy(queue.contents)[:, 0].tolist()
    [1.0, 3.0, 0.0]

    Reference: He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, for queues.
    """

    def __init__(self, size: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.width = check_integer("size", size, 1), check_integer("width", width, 1)
        self._contents = self.add_weight(
            name="contents", shape=(self.size, self.width), initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def contents(self) -> Tensor:
        """The queue, `[size, width]`, newest first."""
        return keras.ops.convert_to_tensor(self._contents)

    def enqueue(self, rows: Tensor, counted: Tensor, updated: Tensor | bool = True) -> None:
        """Puts the rows that count in front, in their order, and drops as many of the oldest.

        Args:
            rows: `[N, width]`.
            counted: which of them count, `[N]`, booleans or 0 and 1.
            updated: where false, the queue stays as it is.
        """
        ops, old = keras.ops, self.contents
        counted = ops.cast(counted, "int32")
        total, let_in = ops.shape(rows)[0], ops.sum(counted)
        # Rows that count first, each group in its own order: the keys are all different.
        places = ops.arange(total, dtype="int32")
        order = ops.argsort((1 - counted) * total + places)
        everything = ops.concatenate([ops.take(ops.cast(rows, old.dtype), order, axis=0), old], axis=0)
        target = ops.arange(self.size, dtype="int32")
        source = ops.where(target < let_in, target, target + (total - let_in))
        self._contents.assign(ops.where(updated, ops.take(everything, source, axis=0), old))
