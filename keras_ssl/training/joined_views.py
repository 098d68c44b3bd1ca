"""Several views of a batch as one batch, so that they pass a network together."""

from collections.abc import Sequence

import keras

from keras_ssl.typing import Tensor


def join_views(views: Sequence[Tensor]) -> Tensor:
    """The rows of V views of one batch, `[N, ...]` each, as `[V N, ...]`, in an order that `part_views` knows.

    On one device the views follow one another. Where arrays are divided among devices (`keras.distribution`), the views
    of a sample do: in the order of views, half of a batch of images would go from device to device.
    """
    if len(views) == 1:
        return views[0]
    if keras.distribution.distribution() is None:
        return keras.ops.concatenate(list(views), axis=0)
    return keras.ops.reshape(keras.ops.stack(list(views), axis=1), (-1, *views[0].shape[1:]))


def part_views(rows: Tensor, count: int) -> list[Tensor]:
    """The views `[N, ...]` of what a network makes of `count` views that `join_views` joined."""
    if count == 1:
        return [rows]
    if keras.distribution.distribution() is None:
        return list(keras.ops.split(rows, count, axis=0))
    samples = keras.ops.reshape(rows, (-1, count, *rows.shape[1:]))
    return [samples[:, number] for number in range(count)]
