"""Invert the bright pixels."""

from keras import ops

from keras_ssl.typing import Tensor


def solarize(images: Tensor, threshold: float = 0.5) -> Tensor:
    """Replaces every value `x >= threshold` by `1 - x`.

    The threshold 0.5 on unit-range images is the 128 of PIL and torchvision on uint8 images.

    Args:
        images: float tensor `[N, H, W, C]`, values in [0, 1].
        threshold: the smallest value that is inverted. Defaults to 0.5.

    Returns:
        Tensor of the shape of `images`.
    """
    return ops.where(images >= threshold, 1.0 - images, images)
