"""Whether two images look alike from afar: what their hashes do not tell of images that are mostly of one color."""

import numpy as np

from keras_ssl.data.selection.redundancy_reduction import averaging

_SIDE = 8
_FLAT = 2.5  # standard deviation in levels of 255, below which an image is of one color
_SAME = 10.0  # difference in levels of the mean colors of such images
_LUMA = np.array([0.299, 0.587, 0.114])  # what programs make gray of red, green and blue by
_GRAY = 2.5  # mean difference of channels, below which an image has no color


def coarse(images: np.ndarray) -> np.ndarray:
    """Images `[N, H, W, C]` averaged to 8 x 8 places, in levels of 255: float32 `[N, 64, 3]`.

    The type of the images tells their range: floats lie in [0, 1].

    Of images with other channels than colors, the mean of the channels stands for each color.
    """
    down, across = averaging(images.shape[1], _SIDE), averaging(images.shape[2], _SIDE)
    scale = 255.0 / np.iinfo(images.dtype).max if np.issubdtype(images.dtype, np.integer) else 255.0
    small = scale * np.einsum("rh,nhwk,cw->nrck", down, images.astype("float32"), across, optimize=True)
    small = small.reshape(len(images), _SIDE * _SIDE, -1)
    colors = small[..., :3] if small.shape[-1] in (3, 4) else small.mean(axis=-1, keepdims=True)
    return np.broadcast_to(colors, (*small.shape[:2], 3)).astype("float32")


def alike(ones: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How alike coarse images are to another, -1 to 1: the correlation of what differs from the mean of each color.

    A change of brightness or contrast leaves it as it is. Where one of two images has no color, their grays are
    compared. Two images of one color are alike (1) where that color is the same to ten levels, and an image of one
    color and another one are not (-1).

    Args:
        ones: as `coarse` gives them, in levels of 255, `[M, 64, 3]`.
        other: one of them, `[64, 3]`.

    Returns:
        float64 `[M]`.
    """
    pairs = np.stack([ones, np.broadcast_to(other, ones.shape)]).astype("float64")
    gray = (np.ptp(pairs, axis=-1).mean(axis=-1) < _GRAY).any(axis=0)
    pairs[:, gray] = (pairs[:, gray] @ _LUMA)[..., np.newaxis]
    flat = pairs.std(axis=2).max(axis=-1) < _FLAT
    same = np.abs(np.subtract(*pairs.mean(axis=2))).max(axis=-1) <= _SAME
    first, second = pairs - pairs.mean(axis=2, keepdims=True)
    lengths = np.sqrt(np.square(first).sum(axis=(1, 2)) * np.square(second).sum(axis=(1, 2)))
    found = (first * second).sum(axis=(1, 2)) / np.where(lengths, lengths, 1.0)
    return np.where(flat.any(axis=0), np.where(flat.all(axis=0) & same, 1.0, -1.0), found)
