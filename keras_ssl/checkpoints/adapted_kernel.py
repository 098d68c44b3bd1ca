"""The first kernel of an encoder for images of another number of channels."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keras_ssl.checkpoints.weight_table import WeightTable

FIRST_KERNELS = ("stem_conv/kernel", "patch_embedding/kernel", "block1_conv/kernel")
"""The weight of an encoder that sees the channels, by its public name."""


def adapted_kernel(kernel: np.ndarray, channels: int) -> np.ndarray:
    """A kernel for `channels` channels of one for I: summed for gray images, else repeated and scaled.

    For one channel it is the sum over the channels, so that a gray image gives what it gives as an image of I equal
    channels. For more, channel `i` has the kernel of channel `i mod I` times `I / channels`, so that values of about
    the same size come out. Of I = 3 that is timm's rule. Features of channels that the kernel was not trained for are a
    start for training, and no more.

    Args:
        kernel: `[height, width, I, out]`.
        channels: of the images.

    Example:

    >>> kernel = np.arange(3.0).reshape(1, 1, 3, 1)
    >>> adapted_kernel(kernel, 1).ravel().tolist(), adapted_kernel(kernel, 4).ravel().tolist()
    ([3.0], [0.0, 0.75, 1.5, 0.0])

    Reference: https://github.com/huggingface/pytorch-image-models/blob/main/timm/models/_manipulate.py
    """
    own = kernel.shape[2]
    if channels == own:
        return kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(channels) % own] * np.asarray(own / channels, kernel.dtype)


def with_adapted_kernel(table: WeightTable, variables: Mapping[str, Any]) -> WeightTable:
    """The table, whose first kernel is made to fit the encoder's channels.

    Args:
        table: of the encoder.
        variables: the encoder's weights by name; of the first kernel the shape is used.
    """
    weights = dict(table.weights)
    for key, weight in table.weights.items():
        if weight.name in FIRST_KERNELS:
            weights[key] = replace(weight, transform=_then_adapted(weight.transform, variables[weight.name].shape[2]))
    return replace(table, weights=weights)


def adapt_kernels(tensors: Mapping[str, np.ndarray], variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by the encoder's own names, of which the first kernel is made to fit its channels."""
    made = dict(tensors)
    for name in FIRST_KERNELS:
        if name in tensors and name in variables and tensors[name].ndim == 4:
            made[name] = adapted_kernel(tensors[name], variables[name].shape[2])
    return made


def _then_adapted(transform: Callable[[np.ndarray], np.ndarray], channels: int) -> Callable[[np.ndarray], np.ndarray]:
    def adapted(array: np.ndarray) -> np.ndarray:
        kernel = transform(array)
        return adapted_kernel(kernel, channels) if kernel.ndim == 4 else kernel

    return adapted
