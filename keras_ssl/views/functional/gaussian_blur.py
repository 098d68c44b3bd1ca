"""Gaussian blur with one sigma per image."""

import numpy as np
from keras import ops

from keras_ssl.typing import Tensor
from keras_ssl.views.functional.per_sample import per_sample
from keras_ssl.views.functional.separable import local_sums_pay, map_columns, separable


def _sightings(length: int, radius: int) -> np.ndarray:
    """`[radius + 1, length, length]`: how often output i sees pixel j at distance d, edges reflected."""
    counts = np.zeros((radius + 1, length, length), dtype=np.float32)
    output = np.arange(length)
    for offset in range(-radius, radius + 1):
        seen = np.abs(output + offset)
        seen = np.where(seen > length - 1, 2 * (length - 1) - seen, seen)
        # An output sees one pixel per offset, so no pair of indices occurs twice in this assignment.
        counts[abs(offset), output, seen] += 1.0
    return counts


def _reflect_rows(images: Tensor, radius: int) -> Tensor:
    """Continues images `[N, H, W, C]` by `radius` rows above and below."""
    if radius == 0:
        return images
    above, below = images[:, 1 : radius + 1], images[:, -radius - 1 : -1]
    return ops.concatenate([ops.flip(above, axis=1), images, ops.flip(below, axis=1)], axis=1)


def _sum_rows(planes: Tensor, taps: Tensor) -> Tensor:
    """Blurs along the height: `[N, C, H + 2 radius, W]`, and taps for distances 0 to radius, to `[N, H, W, C]`."""
    radius = taps.shape[1] - 1
    height = planes.shape[2] - 2 * radius

    def rows(distance: int) -> Tensor:
        return planes[:, :, radius + distance : radius + distance + height]

    blurred = per_sample(taps[:, 0]) * rows(0)
    for d in range(1, radius + 1):
        blurred = blurred + per_sample(taps[:, d]) * (rows(-d) + rows(d))
    return ops.transpose(blurred, (0, 2, 3, 1))


def gaussian_blur(images: Tensor, sigma: Tensor, kernel_size: int) -> Tensor:
    """Blurs each image with its own Gaussian.

    The taps are `exp(-d**2 / (2 sigma**2))` for the integer distances `|d| <= kernel_size // 2`, normalized
    to sum to one; the image is continued by reflection about its edge pixels. This is torchvision's
    `gaussian_blur`, computed as one banded matrix for the rows and one for the columns.

    Args:
        images: float tensor `[N, H, W, C]`.
        sigma: float tensor `[N]`: the standard deviation in pixels, positive.
        kernel_size: odd number of taps; half of it, rounded down, must be smaller than H and W.

    Returns:
        Float tensor of the shape of `images`.

    Raises:
        ValueError: if `kernel_size` is not a positive odd number or too large for the images.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_ssl.views.functional import gaussian_blur
    >>> spot = np.zeros((1, 5, 5, 1), "float32")
    >>> spot[0, 2, 2, 0] = 1.0
    >>> blurred = gaussian_blur(spot, [1.0], kernel_size=3)
    >>> round(float(keras.ops.sum(blurred)), 4)  # blur moves light, it adds none
    1.0
    """
    height, width = images.shape[1:3]
    radius = kernel_size // 2
    if kernel_size < 1 or kernel_size % 2 == 0 or radius >= min(height, width):
        raise ValueError(
            "Argument `kernel_size` must be odd, positive and less than twice the image's shorter side. "
            f"Received: kernel_size={kernel_size} for images of {height} x {width} pixels"
        )
    distance = np.arange(radius + 1, dtype=np.float32).reshape(1, -1)
    taps = ops.exp(-0.5 * ops.square(distance / per_sample(sigma, rank=2)))
    taps = taps / (2.0 * ops.sum(taps, axis=1, keepdims=True) - taps[:, :1])

    def matrix(length: int) -> Tensor:
        # A sum, not a matrix product: on GPUs products of float32 matrices may be rounded to ten bits.
        return sum(per_sample(taps[:, d], rank=3) * seen for d, seen in enumerate(_sightings(length, radius)))

    if local_sums_pay(kernel_size, height):
        return _sum_rows(map_columns(_reflect_rows(images, radius), matrix(width)), taps)
    rows = matrix(height)
    return separable(images, rows, rows if width == height else matrix(width))
