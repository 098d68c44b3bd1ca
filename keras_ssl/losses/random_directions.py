"""Directions on which a distribution of many dimensions is looked at in one."""

from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.random import Stream
from keras_ssl.typing import Tensor


def random_directions(stream: Stream, count: int, dimension: int) -> Tensor:
    """Unit vectors, uniform on the sphere.

    Args:
        stream: random numbers of one row, such as `step.shared_stream()`, so that all replicas get the same vectors.
        count: number of vectors, K.
        dimension: their width, D.

    Returns:
        float32 `[K, D]`.

    Example:

    >>> directions = random_directions(keras_ssl.random.Stream(0, 0, keras.ops.zeros((1,), "int32")), 5, 3)
    >>> tuple(directions.shape)
    (5, 3)
    """
    return l2_normalize(stream.normal((count, dimension))[0])
