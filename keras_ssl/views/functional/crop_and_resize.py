"""Cut a box out of each image and resize it, with antialiasing."""

import math
from collections.abc import Callable

import numpy as np
from keras import ops

from keras_ssl.layers.cubic_kernel import cubic_kernel
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.per_sample import per_sample
from keras_ssl.views.functional.separable import local_sums_pay, map_columns, separable


def _triangle(distance: Tensor) -> Tensor:
    return ops.relu(1.0 - distance)


KERNELS: dict[str, Callable[[Tensor], Tensor]] = {"bilinear": _triangle, "bicubic": cubic_kernel}
_LEAST_COLUMNS = 56  # narrower blocks gain nothing
_REACH = {"bilinear": 1, "bicubic": 2}  # the distance from which on a kernel is zero


def resize_matrix(start: Tensor, extent: Tensor, length: int, size: int, interpolation: str) -> Tensor:
    """The linear map from `length` pixels to `size` samples of the stretch `[start, start + extent)`.

    Output `o` looks at the point `(o + 1/2) * extent / size` of the stretch through a kernel that is as wide
    as one output pixel, or one input pixel where the stretch is enlarged. Pixels outside the stretch have no
    weight and each row sums to one: so nothing but the crop is seen.

    Args:
        start: integer tensor `[N]`: the first pixel of the stretch.
        extent: integer tensor `[N]`: its length in pixels.
        length: number of input pixels.
        size: number of output pixels.
        interpolation: `"bilinear"` or `"bicubic"`.

    Returns:
        float32 tensor `[N, size, length]`.
    """
    start, extent = per_sample(start, rank=3), per_sample(extent, rank=3)
    pixel = np.arange(length, dtype=np.float32).reshape(1, 1, -1) - start
    return _weights(pixel, extent, size, interpolation)


def _weights(pixel: Tensor, extent: Tensor, size: int, interpolation: str) -> Tensor:
    """What each output gives to pixels of a stretch, `[N, size, P]`.

    `pixel` holds their numbers from the start of the stretch, `[N, size or 1, P]`, and `extent` its length `[N, 1, 1]`,
    both as whole numbers in float32.
    """
    output = np.arange(size, dtype=np.float32).reshape(1, -1, 1)
    # The distance is a ratio of two integers (exact in float32 up to 2**24), divided once: no position is
    # rounded, so that compiled and eager code, and both backends, agree to the last bit or two.
    numerator = ops.abs(float(size) * (2.0 * pixel + 1.0) - (2.0 * output + 1.0) * extent)
    distance = numerator / (2.0 * ops.maximum(extent, float(size)))
    inside = ops.logical_and(pixel >= 0.0, pixel < extent)
    weights = ops.where(inside, KERNELS[interpolation](distance), 0.0)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _most_taps(length: int, size: int, interpolation: str) -> int:
    """The largest number of pixels that one output looks at."""
    return 2 * math.ceil(_REACH[interpolation] * max(1.0, length / size))


def _first_pixel(output: np.ndarray, extent: Tensor, size: int, taps: int) -> Tensor:
    """The first of the `taps` pixels around the point at which each output looks, counted from the stretch's start."""
    return ops.floor_divide((2 * output + 1) * extent - size, 2 * size) + (1 - taps // 2)


def _sum_rows(images: Tensor, start: Tensor, extent: Tensor, size: int, interpolation: str) -> Tensor:
    """Resizes `[N, H, W, C]` to `[N, size, W, C]` as `resize_matrix` does, but reads only the rows that count."""
    length, width, channels = images.shape[1:]
    taps = _most_taps(length, size, interpolation)
    start, extent = (per_sample(value, rank=3, dtype="int32") for value in (start, extent))
    output = np.arange(size, dtype=np.int32).reshape(1, -1, 1)
    pixel = _first_pixel(output, extent, size, taps) + np.arange(taps, dtype=np.int32)
    weights = _weights(ops.cast(pixel, "float32"), ops.cast(extent, "float32"), size, interpolation)
    # Outside the stretch weights are zero, and its nearest pixel is read: never one of another image, or a bad number.
    image = ops.reshape(ops.arange(ops.shape(images)[0], dtype="int32"), (-1, 1, 1))
    row = start + ops.clip(pixel, 0, extent - 1) + length * image
    flat = ops.reshape(images, (-1, width * channels))

    def tap(k: int) -> Tensor:
        seen = ops.take(flat, ops.reshape(row[:, :, k], (-1,)), axis=0)
        return weights[:, :, k : k + 1] * ops.reshape(seen, (-1, size, width * channels))

    return ops.reshape(sum(tap(k) for k in range(taps)), (-1, size, width, channels))


def _map_columns(images: Tensor, start: Tensor, extent: Tensor, size: int, interpolation: str) -> Tensor:
    """Resizes `[N, H, W, C]` to `[N, H, size, C]` as `resize_matrix` does, wide ones in blocks of columns.

    What a block of outputs sees is not much wider than the block: so a product for each does with a fraction of the
    multiplications. Sums as for the rows are no faster, because neighbors in a row are single pixels.
    """
    height, length, channels = images.shape[1:]
    blocks = _blocks(size)
    if blocks == 1:
        columns = resize_matrix(start, extent, length, size, interpolation)
        return ops.transpose(map_columns(images, columns), (0, 2, 3, 1))
    block = size // blocks
    taps = _most_taps(length, size, interpolation)
    window = min(length, math.ceil((block - 1) * length / size) + taps)
    start, extent = (per_sample(value, rank=3, dtype="int32") for value in (start, extent))
    # For each output the first of its block; a window begins earlier where it would end outside of the image.
    leading = np.arange(size, dtype=np.int32).reshape(1, -1, 1) // block * block
    first = ops.clip(start + _first_pixel(leading, extent, size, taps), 0, length - window)
    column = first + np.arange(window, dtype=np.int32)
    weights = _weights(ops.cast(column - start, "float32"), ops.cast(extent, "float32"), size, interpolation)
    seen = ops.reshape(column[:, ::block], (-1, 1, blocks * window, 1))
    windows = ops.reshape(ops.take_along_axis(images, seen, axis=2), (-1, height, blocks, window, channels))
    weights = ops.reshape(weights, (-1, blocks, block, window))
    mapped = ops.einsum("nhbsc,nbqs->nbhqc", windows, weights)
    return ops.reshape(ops.transpose(mapped, (0, 2, 1, 3, 4)), (-1, height, size, channels))


def _blocks(size: int) -> int:
    """Into how many equal blocks so many columns are divided."""
    return max(blocks for blocks in range(1, max(1, size // _LEAST_COLUMNS) + 1) if size % blocks == 0)


def crop_and_resize(
    images: Tensor,
    top: Tensor,
    left: Tensor,
    height: Tensor,
    width: Tensor,
    size: tuple[int, int],
    interpolation: str = "bilinear",
) -> Tensor:
    """Crops one box from each image and resizes it to a common size with antialiasing.

    The result is torchvision's `resized_crop(..., antialias=True)`: pixels outside the box are never read. It
    is computed as two batched matrix products, because gathers are slow on accelerators (see `local_sums` for CPUs).

    Args:
        images: float tensor `[N, H, W, C]`.
        top: integer tensor `[N]`: the box's first row.
        left: integer tensor `[N]`: the box's first column.
        height: integer tensor `[N]`: the box's number of rows, at least 1 and inside the image.
        width: integer tensor `[N]`: the box's number of columns, at least 1 and inside the image.
        size: height and width of the result in pixels.
        interpolation: `"bilinear"` (default) or `"bicubic"`, which may overshoot the range of its input.

    Returns:
        Float tensor `[N, size[0], size[1], C]`.

    Raises:
        ValueError: for another `interpolation`.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.views.functional import crop_and_resize
    >>> images = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    >>> corner = crop_and_resize(images, [0], [0], [2], [2], size=(1, 1))
    >>> float(corner[0, 0, 0, 0])  # the mean of 0, 1, 4 and 5
    2.5
    """
    if interpolation not in KERNELS:
        raise ValueError(
            f"Argument `interpolation` must be one of {sorted(KERNELS)}. Received: interpolation={interpolation!r}"
        )
    length, across = images.shape[1:3]
    if local_sums_pay(_most_taps(length, size[0], interpolation), length):
        return _map_columns(_sum_rows(images, top, height, size[0], interpolation), left, width, size[1], interpolation)
    columns = resize_matrix(left, width, across, size[1], interpolation)
    rows = resize_matrix(top, height, length, size[0], interpolation)
    return separable(images, rows, columns)
