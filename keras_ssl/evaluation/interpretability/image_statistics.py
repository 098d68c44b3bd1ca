"""Mean and deviation of each band: what features are compared with."""

import numpy as np

from keras_ssl.evaluation.validation import as_images
from keras_ssl.typing import Tensor

__all__ = ["image_statistics"]

_ROWS = 256


def image_statistics(images: Tensor) -> np.ndarray:
    """The mean and the standard deviation of each band of each image: the simplest features there are.

    A pretrained encoder whose features do no better than these in a probe has learned nothing for the task. The
    deviation is that of the population (divided by the number of pixels).

    Args:
        images: `[N, H, W, C]`, of any type, on any scale.

    Returns:
        float32 `[N, 2 C]`: the means of all bands, then their deviations; computed in float64.

    Raises:
        ValueError: if images have not four axes, there are none, or one holds NaN or infinity.

    Example:

    >>> image_statistics(np.array([0.0, 2.0, 4.0, 4.0]).reshape(1, 2, 2, 1)).round(3).tolist()
    [[2.5, 1.6579999923706055]]

    Reference:
        Corley et al., "Revisiting pre-trained remote sensing model benchmarks: resizing and normalization matters",
        CVPR Workshops 2024.
    """
    array = as_images("images", images)
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(f"`images` must be [N, H, W, C]. Received: images.shape={array.shape}")
    parts = []
    for start in range(0, len(array), _ROWS):
        part = np.asarray(array[start : start + _ROWS], np.float64)
        parts.append(np.concatenate([part.mean(axis=(1, 2)), part.std(axis=(1, 2))], axis=1))
    return np.concatenate(parts).astype(np.float32)
