"""Brightness, contrast, saturation and hue, one factor per image.

The formulas are torchvision's: on images in [0, 1], each result is clipped to [0, 1]. The three channels are
handled as three planes: XLA then runs along the pixels, instead of along groups of three.
"""

import numpy as np
from keras import ops

from keras_ssl.typing import Tensor
from keras_ssl.views.functional.per_sample import per_sample

# The weights that torchvision uses (ITU-R 601 to four digits for red): they sum to 0.9999.
_RED, _GREEN, _BLUE = 0.2989, 0.587, 0.114

Planes = tuple[Tensor, ...]


def check_channels(images: Tensor, name: str) -> int:
    """The number of channels, which must be 1 or 3."""
    channels = images.shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            f"{name} works on images of 3 channels (red, green, blue), or of 1. "
            f"Received: images.shape={tuple(images.shape)}"
        )
    return channels


def split(images: Tensor) -> Planes:
    """The channels `[N, H, W]` of a batch."""
    return tuple(images[..., channel] for channel in range(images.shape[-1]))


def join(planes: Planes) -> Tensor:
    """The batch `[N, H, W, C]` of its channels."""
    return ops.stack(planes, axis=-1)


def gray(planes: Planes) -> Tensor:
    """The brightness `[N, H, W]` as the eye sees it; of a number of channels other than three, their mean."""
    if len(planes) == 1:
        return planes[0]
    if len(planes) != 3:
        return sum(planes[1:], planes[0]) * np.float32(1.0 / len(planes))
    return _RED * planes[0] + _GREEN * planes[1] + _BLUE * planes[2]


def gray_mean(planes: Planes) -> Tensor:
    """The mean of `gray` over each image, `[N, 1, 1]`."""
    # Two reductions, rows first: a compiled CPU loop then adds vectors, where it would add number after number.
    return ops.mean(ops.mean(gray(planes), axis=1, keepdims=True), axis=2, keepdims=True)


def shift_hue(planes: Planes, turns: Tensor) -> Planes:
    """Adds `turns` to the hue of three planes, leaving HSV saturation and value as they are.

    On the color wheel of six sextants, at position t, red is at its full value within one sextant of t = 0,
    falls linearly to the least channel's value over the next one, and stays there for the opposite two; green
    is the same about t = 2, blue about t = 4. So the inverse needs no branches: each channel is
    `low + chroma * clip(2 - |t|, 0, 1)` with t measured from its own peak.
    """
    red, green, blue = planes
    high = ops.maximum(ops.maximum(red, green), blue)
    low = ops.minimum(ops.minimum(red, green), blue)
    chroma = high - low
    red_leads, green_leads = high == red, high == green
    lead = ops.where(red_leads, green - blue, ops.where(green_leads, blue - red, red - green))
    peak = ops.where(red_leads, 0.0, ops.where(green_leads, 2.0, 4.0))
    position = lead / ops.where(chroma == 0.0, 1.0, chroma) + peak + 6.0 * turns

    def channel(own_peak: float) -> Tensor:
        sextants = position - own_peak
        sextants = sextants - 6.0 * ops.floor(sextants * np.float32(1 / 6) + 0.5)
        return low + chroma * ops.clip(2.0 - ops.abs(sextants), 0.0, 1.0)

    return channel(0.0), channel(2.0), channel(4.0)


def rgb_to_grayscale(images: Tensor) -> Tensor:
    """Gives every channel the value `0.2989 R + 0.587 G + 0.114 B`.

    Args:
        images: float tensor `[N, H, W, 3]`; a single channel is returned as it is.

    Returns:
        Tensor of the shape of `images`.
    """
    if check_channels(images, "rgb_to_grayscale") == 1:
        return images
    value = gray(split(images))
    return join((value, value, value))


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Computes `clip(factor * images, 0, 1)`.

    Args:
        images: float tensor `[N, H, W, C]` in [0, 1], with any number of channels.
        factor: float tensor `[N]`, not negative; 1 changes nothing.

    Returns:
        Tensor of the shape of `images`.
    """
    return ops.clip(per_sample(factor) * images, 0.0, 1.0)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Computes `clip(factor * images + (1 - factor) * m, 0, 1)` with m the mean over the image in gray.

    Args:
        images: float tensor `[N, H, W, C]` in [0, 1], with any number of channels: see `gray`.
        factor: float tensor `[N]`, not negative; 0 gives a gray image, 1 changes nothing.

    Returns:
        Tensor of the shape of `images`.
    """
    factor = per_sample(factor)
    mean = ops.expand_dims(gray_mean(split(images)), -1)
    return ops.clip(factor * images + (1.0 - factor) * mean, 0.0, 1.0)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Computes `clip(factor * images + (1 - factor) * gray, 0, 1)`, pixel by pixel.

    Args:
        images: float tensor `[N, H, W, 3]` in [0, 1]; a single channel is returned as it is.
        factor: float tensor `[N]`, not negative; 0 removes the color, 1 changes nothing.

    Returns:
        Tensor of the shape of `images`.
    """
    if check_channels(images, "adjust_saturation") == 1:
        return images
    factor = per_sample(factor)
    return ops.clip(factor * images + (1.0 - factor) * ops.expand_dims(gray(split(images)), -1), 0.0, 1.0)


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turns the color wheel: adds `turns` to the hue in HSV coordinates.

    Args:
        images: float tensor `[N, H, W, 3]` in [0, 1]; a single channel is returned as it is.
        turns: float tensor `[N]`: the angle in whole turns; 0 and 1 change nothing, 0.5 gives complementary colors.

    Returns:
        Tensor of the shape of `images`.

    Example:

    >>> from keras_ssl.views.functional import adjust_hue
    >>> red = np.array([[[[1.0, 0.0, 0.0]]]], "float32")
    >>> [round(float(v), 5) for v in adjust_hue(red, [1 / 3])[0, 0, 0]]  # a third of a turn from red is green
    [0.0, 1.0, 0.0]
    """
    if check_channels(images, "adjust_hue") == 1:
        return images
    return join(shift_hue(split(images), per_sample(turns, rank=3)))
