"""The part of every batch that one of several processes holds."""

from typing import Any

import keras

from keras_ssl.data.epoch_batches import EpochBatches


class LocalPart(keras.utils.PyDataset):
    """A data set's batches cut into equal parts, of which each process takes its own, in the processes' order.

    On JAX each process hands over its part of the global batch; where all hand over the whole batch, as Keras' `fit`
    would have them do, every sample counts as often as there are processes. (tf.distribute cuts batches by itself.)

    Args:
        data: the whole batches, of a size that `count` divides. Its epochs are counted by this one's.
        number: the process, from 0.
        count: how many there are.

    Example:

    >>> LocalPart(from_arrays(np.arange(8).reshape(8, 1), batch_size=4, shuffle=False), number=1, count=2)[0]["index"]
    array([2, 3], dtype=int32)
    """

    def __init__(self, data: EpochBatches, number: int, count: int) -> None:
        super().__init__()
        self.data = data
        size = data.batch_size // count
        self._rows = slice(number * size, (number + 1) * size)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return keras.tree.map_structure(lambda part: part[self._rows], self.data[index])

    def on_epoch_end(self) -> None:
        self.data.on_epoch_end()

    # Keras' reading this is what `EpochBatches` knows the beginning of `fit` by.
    @property
    def workers(self) -> int:
        return self.data.workers

    @workers.setter
    def workers(self, value: int) -> None:
        self.data.workers = value
