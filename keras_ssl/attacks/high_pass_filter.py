"""The high and the low frequencies of images."""

import keras
import numpy as np

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["high_pass_filter", "low_pass_filter"]


def low_pass_filter(images: Tensor, radius: float = 8.0) -> Tensor:
    """Images without their high frequencies: those of at least `radius` waves per image are set to 0.

    Of the discrete Fourier transform of each channel, coefficients at frequencies `(u, v)`, in waves per image, are
    kept where `u^2 + v^2 < radius^2`.

    Args:
        images: `[N, H, W, C]`.
        radius: positive. Defaults to 8, as in the authors' code of AdvEncoder.

    Returns:
        float32, of the same shape.

    Raises:
        ValueError: if images are no such batch, or `radius` is not positive and finite.

    Example:

    >>> stripes = np.tile([1.0, 0.0], 4).reshape(1, 1, 8, 1) * np.ones((1, 8, 1, 1))
    >>> float(low_pass_filter(stripes, radius=2)[0, 0, 0, 0])  # the mean is left
    0.5

    Reference: Zhou et al., "Downstream-agnostic Adversarial Examples", ICCV 2023.
    """
    return _filtered(images, radius, low=True)


def high_pass_filter(images: Tensor, radius: float = 8.0) -> Tensor:
    """Images without their low frequencies: what `low_pass_filter` takes away.

    Args:
        images: `[N, H, W, C]`.
        radius: positive. Defaults to 8, as in the authors' code of AdvEncoder.

    Returns:
        float32, of the same shape; together with the low frequencies, the images.

    Raises:
        ValueError: if images are no such batch, or `radius` is not positive and finite.

    Example:

    >>> stripes = np.tile([1.0, 0.0], 4).reshape(1, 1, 8, 1) * np.ones((1, 8, 1, 1))
    >>> float(high_pass_filter(stripes, radius=2)[0, 0, 0, 0])
    0.5

    Reference: Zhou et al., "Downstream-agnostic Adversarial Examples", ICCV 2023.
    """
    return _filtered(images, radius, low=False)


def _filtered(images: Tensor, radius: float, low: bool) -> Tensor:
    images = as_float(images)
    shape = tuple(images.shape)
    if len(shape) != 4 or None in shape[1:3]:
        raise ValueError(f"`images` must be [N, H, W, C]. Received: images.shape={shape}")
    if isinstance(radius, bool) or not 0 < radius < float("inf"):
        raise ValueError(f"`radius` must be positive and finite. Received: radius={radius}")
    ops = keras.ops
    rows, columns = (np.fft.fftfreq(side) * side for side in shape[1:3])
    kept = rows[:, None] ** 2 + columns[None] ** 2 < radius**2
    mask = ops.cast(kept if low else ~kept, "float32")
    planes = ops.cast(ops.transpose(images, (0, 3, 1, 2)), "float32")
    real, imaginary = ops.fft2((planes, ops.zeros_like(planes)))
    back, _ = ops.ifft2((real * mask, imaginary * mask))
    return ops.cast(ops.transpose(back, (0, 2, 3, 1)), images.dtype)
