"""Contour accuracy: how well the outlines of two masks agree."""

import math

import numpy as np

from keras_ssl.evaluation.validation import as_masks
from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor


def contour_accuracy(masks: Tensor, true_masks: Tensor, tolerance: float = 0.008) -> float:
    r"""The F-measure of masks' contours, which the DAVIS benchmark calls F, averaged over images.

    .. math:: F = \frac{2 P R}{P + R}

    with the fraction P of the mask's contour that lies near the true one, and the fraction R of the true contour that
    lies near the mask's. Near is within a disc whose radius is `tolerance` of the image's diagonal, rounded up to
    whole pixels. A pixel is on the contour if it differs from the one to its right, below it, or right and below.
    Two masks without a contour have 1; if one of them has one, 0.

    Args:
        masks: booleans, or 0 and 1, `[..., H, W]`.
        true_masks: of the same shape.
        tolerance: fraction of the diagonal; from 1 on, pixels. Defaults to 0.008.

    Returns:
        The mean over all leading axes, 0 to 1.

    Raises:
        ValueError: if the shapes differ, the values are not truth values, or `tolerance` is not positive.

    Example:

    >>> square = np.zeros((50, 50)); square[10:20, 10:20] = 1
    >>> contour_accuracy(square, np.roll(square, 1, axis=0)), contour_accuracy(square, np.roll(square, 25, axis=0))
    (1.0, 0.0)

    Reference:
        Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
    """
    found, true = as_masks("masks", masks, "true_masks", true_masks)
    check_positive("tolerance", tolerance)
    radius = math.ceil(tolerance * math.hypot(*found.shape[-2:]) if tolerance < 1 else tolerance)
    found, true = contour(found), contour(true)
    precision = _fraction(found, dilated(true, radius))
    recall = _fraction(true, dilated(found, radius))
    either, both = found.any(axis=(-2, -1)) | true.any(axis=(-2, -1)), precision + recall
    measure = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0.0)
    return float(np.mean(np.where(either, measure, 1.0)))


def contour(masks: np.ndarray) -> np.ndarray:
    """Where masks `[..., H, W]` differ from their right, lower, or right lower neighbor."""
    edge = [(0, 0)] * (masks.ndim - 2) + [(0, 1), (0, 1)]
    padded = np.pad(masks, edge, mode="edge")
    return (masks ^ padded[..., :-1, 1:]) | (masks ^ padded[..., 1:, :-1]) | (masks ^ padded[..., 1:, 1:])


def dilated(masks: np.ndarray, radius: int) -> np.ndarray:
    """Where a disc of this radius meets masks `[..., H, W]`."""
    height, width = masks.shape[-2:]
    padded = np.pad(masks, [(0, 0)] * (masks.ndim - 2) + [(radius, radius)] * 2)
    result = np.zeros_like(masks)
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            if x * x + y * y <= radius * radius:
                result |= padded[..., radius + y : radius + y + height, radius + x : radius + x + width]
    return result


def _fraction(contours: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The fraction of each contour that lies in `near`; 0 where there is none."""
    return np.sum(contours & near, axis=(-2, -1)) / np.maximum(np.sum(contours, axis=(-2, -1)), 1)
