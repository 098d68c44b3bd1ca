"""The weights of a model at its last few snapshots."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["SnapshotRing"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class SnapshotRing(StateLayer):
    """The last `size` snapshots of some weights; float32, saved. A new snapshot takes the place of the oldest.

    Args:
        size: number of snapshots kept.
        shapes: of the weights, one for each.

    Raises:
        ValueError: if `size` is not a positive integer or `shapes` is empty.

    Example:

    >>> ring = SnapshotRing(2, [(1,)])
    >>> for number in (1.0, 2.0, 3.0):
    ...     ring.take([keras.ops.array([number])])
    >>> sorted(float(values[0][0]) for values in (ring.values(0), ring.values(1)))
    [2.0, 3.0]
    """

    from_batch: ClassVar[bool] = False

    def __init__(self, size: int, shapes: Sequence[Sequence[int]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = check_integer("size", size, 1)
        self.shapes = [tuple(int(side) for side in shape) for shape in shapes]
        if not self.shapes:
            raise ValueError(f"`shapes` must hold at least one. Received: shapes={shapes}")
        self._slots = [
            self.add_weight(name=f"slots{n}", shape=(self.size, *shape), initializer="zeros", trainable=False)
            for n, shape in enumerate(self.shapes)
        ]
        self._taken = self.add_weight(
            name="taken",
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    @property
    def held(self) -> Tensor:
        """Which places hold a snapshot: float32 `[size]` of ones and zeros."""
        ops = keras.ops
        return ops.cast(ops.arange(self.size) < ops.convert_to_tensor(self._taken), "float32")

    def values(self, place: int) -> list[Tensor]:
        """The weights of the snapshot in a place, from 0; zeros where there is none yet."""
        return [keras.ops.convert_to_tensor(slots)[place] for slots in self._slots]

    def take(self, weights: Sequence[Tensor], taken: Tensor | bool = True) -> None:
        """Takes a snapshot.

        Args:
            weights: tensors or variables, one for each shape.
            taken: where false, the ring stays as it is.
        """
        ops = keras.ops
        count = ops.convert_to_tensor(self._taken)
        here = ops.logical_and(ops.equal(ops.arange(self.size), ops.mod(count, self.size)), taken)
        for slots, weight in zip(self._slots, weights, strict=True):
            old = ops.convert_to_tensor(slots)
            place = ops.reshape(here, (self.size, *([1] * (len(old.shape) - 1))))
            slots.assign(ops.where(place, ops.cast(ops.convert_to_tensor(weight), old.dtype)[None], old))
        self._taken.assign(count + ops.cast(taken, "int32"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "shapes": [list(shape) for shape in self.shapes]}
