"""Mean intersection over union."""

import numpy as np

from keras_ssl.evaluation.validation import is_labeled
from keras_ssl.typing import Tensor

__all__ = ["mean_iou"]


def mean_iou(labels: Tensor, true_labels: Tensor) -> float:
    r"""The mean over classes of intersection over union, of all pixels together.

    .. math:: \mathrm{IoU}_c = \frac{|P_c \cap T_c|}{|P_c \cup T_c|}

    Counted over the whole set, not image by image. The mean runs over the classes that occur, found or true. Pixels
    whose true label is -1 count nowhere; a pixel for which -1 was found is missed by its class, and -1 is no class.

    Args:
        labels: what was found, integers of any shape, such as `[N, H, W]`; -1 where nothing was.
        true_labels: integers of the same shape; -1 is not labeled.

    Returns:
        0 to 1.

    Raises:
        ValueError: if the shapes differ, the labels are no integers, or no pixel has a true label.

    Example:

    >>> mean_iou([[0, 0, 1, 1]], [[0, 0, 0, 1]])  # 2/3 and 1/2
    0.5833333333333333
    """
    found, true = as_label_maps("labels", labels, "true_labels", true_labels)
    counted = is_labeled(true)
    if not counted.any():
        raise ValueError(f"`true_labels` must hold a label other than -1. Received: true_labels.shape={true.shape}")
    found, true = found[counted], true[counted]
    scores = []
    for label in np.union1d(found[is_labeled(found)], true):
        here, there = found == label, true == label
        scores.append(np.count_nonzero(here & there) / np.count_nonzero(here | there))
    return float(np.mean(scores))


def as_label_maps(name: str, labels: Tensor, other_name: str, other: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Two integer arrays of one shape.

    Raises:
        ValueError: if the shapes differ, are empty, or an array holds no integers.
    """
    first, second = np.asarray(labels), np.asarray(other)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(
            f"Arguments `{name}` and `{other_name}` must have one shape. Received: {name}.shape={first.shape}, "
            f"{other_name}.shape={second.shape}"
        )
    for argument, array in ((name, first), (other_name, second)):
        if array.dtype.kind not in "biu":
            raise ValueError(f"Argument `{argument}` must hold integers. Received: {argument}.dtype={array.dtype}")
    return first, second
