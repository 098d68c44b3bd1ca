"""Region similarity: the overlap of two masks."""

import numpy as np

from keras_ssl.evaluation.validation import as_masks
from keras_ssl.typing import Tensor


def region_similarity(masks: Tensor, true_masks: Tensor) -> float:
    r"""The Jaccard index of masks, which the DAVIS benchmark calls J, averaged over images.

    .. math:: J = \frac{\lvert M \cap G \rvert}{\lvert M \cup G \rvert}

    It is 1 for a perfect mask and 0 for one that misses. Two empty masks have 1.

    Args:
        masks: booleans, or 0 and 1, `[..., H, W]`.
        true_masks: of the same shape.

    Returns:
        The mean over all leading axes, 0 to 1.

    Raises:
        ValueError: if the shapes differ or the values are not truth values.

    Example:

    >>> region_similarity([[1, 1, 0, 0]], [[1, 0, 0, 0]])
    0.5

    Reference:
        Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
    """
    found, true = as_masks("masks", masks, "true_masks", true_masks)
    common, either = (np.sum(region, axis=(-2, -1)) for region in (found & true, found | true))
    return float(np.mean(np.where(either > 0, common / np.maximum(either, 1), 1.0)))
