"""Histograms of oriented gradients of patches, the targets of MaskFeat."""

import math

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.typing import Tensor

__all__ = ["hog_targets"]


def hog_targets(
    images: Tensor, patch_size: int, cells: int = 2, bins: int = 9, soft: bool = True, epsilon: float = 1e-3
) -> Tensor:
    r"""Histograms of oriented gradients of the patches of images, each color channel by itself.

    The gradient of a pixel is that of Sobel's filters (differences of the neighbors on both sides, smoothed by 1 2 1
    across; the image is mirrored at its edges). Its angle counts without sign: half a turn has `bins` equal bins. A
    patch has `cells` x `cells` cells; the histogram of a cell is the sum over its pixels of the gradient's length in
    its bin, and is then divided by `sqrt(its squared length + epsilon^2)`.

    With `soft` a pixel's length is shared between the two bins whose middles are nearest to its angle, in proportion.
    So the histogram does not jump where an angle lies between two bins. Without, the length goes to one bin, as in the
    authors' code. They divide by the length alone; here a flat cell, whose gradients are rounding errors, stays near 0.

    Args:
        images: `[N, H, W, C]`; what is left over at the right and lower edge beside whole patches does not count.
        patch_size: side of a patch in pixels, a multiple of `cells`.
        cells: cells along the side of a patch. Defaults to 2: the paper's 8 pixels, with patches of 16.
        bins: number of bins. Defaults to 9.
        soft: whether lengths are shared between two bins. Defaults to True.
        epsilon: greater than 0, on the scale of sums of gradients. Defaults to 1e-3.

    Returns:
        float32 `[N, T, cells * cells * C * bins]`, patches and cells row by row. No gradient flows through it.

    Raises:
        ValueError: if a value is out of range, `cells` does not divide `patch_size`, or images hold no patch.

    Example:

    >>> ramp = np.tile(np.arange(8.0)[None, None, :, None], (1, 8, 1, 1))  # brighter to the right
    >>> found = hog_targets(ramp, patch_size=8, cells=1, bins=9)
    >>> int(keras.ops.argmax(found[0, 0]))  # a right angle to the rows lies in the middle of nine bins
    4

    Reference: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005; Wei et al., "Masked
    Feature Prediction for Self-Supervised Visual Pre-Training", CVPR 2022.
    """
    ops = keras.ops
    side, cells, bins = (
        check_integer(name, value, 1) for name, value in (("patch_size", patch_size), ("cells", cells), ("bins", bins))
    )
    epsilon = check_number("epsilon", epsilon, 0.0, above=True)
    if side % cells:
        raise ValueError(f"`cells` must divide the patch's side, {side}. Received: cells={cells}")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] < max(side, 2) or shape[2] < max(side, 2):
        raise ValueError(f"Images must be [N, H, W, C] and hold a patch of {side} pixels. Received: shape={shape}")
    across, down = _gradients(ops.stop_gradient(as_float(images)))
    rows, columns = shape[1] // side, shape[2] // side
    across, down = across[:, : rows * side, : columns * side], down[:, : rows * side, : columns * side]
    length = ops.sqrt(ops.square(across) + ops.square(down))
    angle = ops.arctan2(across, down)[..., None] * (bins / math.pi)
    middles = np.arange(bins, dtype="float32") + 0.5
    distance = angle - middles
    distance = ops.abs(distance - bins * ops.round(distance / bins))
    share = ops.relu(1.0 - distance) if soft else ops.cast(ops.floor(angle) % bins == middles - 0.5, angle.dtype)
    if soft and bins == 1:
        share = ops.ones_like(share)
    votes = length[..., None] * share
    cell = side // cells
    parts = ops.reshape(votes, (-1, rows, cells, cell, columns, cells, cell, shape[3], bins))
    histograms = ops.sum(parts, axis=(3, 6))
    square = ops.sum(ops.square(histograms), axis=-1, keepdims=True)
    histograms = ops.transpose(histograms / ops.sqrt(square + epsilon**2), (0, 1, 3, 2, 4, 5, 6))
    return ops.stop_gradient(ops.reshape(histograms, (-1, rows * columns, cells * cells * shape[3] * bins)))


def _gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the left and upwards, `[N, H, W, C]` each, by Sobel's filters."""
    ops = keras.ops
    x = ops.concatenate([images[:, 1:2], images, images[:, -2:-1]], axis=1)
    x = ops.concatenate([x[:, :, 1:2], x, x[:, :, -2:-1]], axis=2)
    across, down = x[:, :, :-2] - x[:, :, 2:], x[:, :-2] - x[:, 2:]
    across = across[:, :-2] + 2.0 * across[:, 1:-1] + across[:, 2:]
    return across, down[:, :, :-2] + 2.0 * down[:, :, 1:-1] + down[:, :, 2:]
