"""Standardise the channels."""

from collections.abc import Sequence

import numpy as np

from keras_ssl.typing import Tensor


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Computes `(images - mean) / std`, channel by channel.

    Args:
        images: float tensor `[N, H, W, C]`.
        mean: one number, or one per channel.
        std: one positive number, or one per channel.

    Returns:
        Tensor of the shape of `images`.
    """
    return (images - np.asarray(mean, dtype=np.float32)) / np.asarray(std, dtype=np.float32)
