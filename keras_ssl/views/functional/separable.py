"""A linear map of the rows and one of the columns of every image: what resizing and blurring share."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from keras import ops

from keras_ssl.typing import Tensor

_MOST_TAPS = 32  # each is an operation of its own to compile

_local_sums: ContextVar[bool] = ContextVar("local_sums", default=False)


@contextmanager
def local_sums() -> Iterator[None]:
    """Inside the block such maps may be computed over the pixels that count, instead of as products with one matrix.

    A product costs a multiplication for every row of the image, a sum of few rows one for each that is seen: twice as
    fast on a CPU, where the images are results that lie in memory. Where XLA fuses the sum with what computes the
    images, it computes them again for every row that is seen, which costs more than it saves.
    """
    token = _local_sums.set(True)
    try:
        yield
    finally:
        _local_sums.reset(token)


def local_sums_pay(taps: int, length: int) -> bool:
    """Whether to sum over `taps` of `length` rows, instead of multiplying with a matrix."""
    return _local_sums.get() and taps <= _MOST_TAPS and max(64, 9 * taps) <= length


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Applies one matrix to the rows and one to the columns of each image.

    `out[n, o, q, c] = sum_hw rows[n, o, h] * columns[n, q, w] * images[n, h, w, c]`

    Args:
        images: float tensor `[N, H, W, C]`.
        rows: float tensor `[N, O, H]`.
        columns: float tensor `[N, Q, W]`.

    Returns:
        Float tensor `[N, O, Q, C]`.
    """
    # Of the orders in which XLA can lay out the two products, this was the fastest on a CPU at 32 and 96 pixels.
    return ops.einsum("noh,nchq->noqc", rows, map_columns(images, columns))


def map_columns(images: Tensor, columns: Tensor) -> Tensor:
    """`out[n, c, h, q] = sum_w columns[n, q, w] * images[n, h, w, c]`: the part of `separable` along the rows' length.

    Args:
        images: float tensor `[N, H, W, C]`.
        columns: float tensor `[N, Q, W]`.

    Returns:
        Float tensor `[N, C, H, Q]`: of each channel a plane.
    """
    return ops.einsum("nhwc,nqw->nchq", images, columns)
