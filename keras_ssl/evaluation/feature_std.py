"""The spread of normalized features: the plainest sign of collapse."""

import numpy as np

from keras_ssl.evaluation.validation import as_features, l2_normalized
from keras_ssl.typing import Tensor


def feature_std(features: Tensor) -> float:
    r"""The standard deviation of L2-normalized features, averaged over dimensions and scaled by sqrt(D).

    .. math:: \frac{\sqrt D}{D} \sum_d \operatorname{std}_n \frac{z_{nd}}{\lVert z_n \rVert}

    It is 1 where the features spread alike in all directions, and 0 where all point the same way: collapse.
    (It cannot exceed 1.) Rows of zeros stay zeros.

    Args:
        features: `[N, D]`, any floating type; computed in float32 (float64 stays float64).

    Returns:
        The spread, 0 to 1.

    Raises:
        ValueError: if the features are not `[N, D]` or a row holds NaN or infinity (its number is named).

    Example:

    >>> round(feature_std([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
    1.0

    Reference:
        Chen and He, "Exploring Simple Siamese Representation Learning", CVPR 2021 (section 4.1).
    """
    unit = l2_normalized(as_features("features", features))
    return float(np.sqrt(unit.shape[1]) * unit.std(axis=0).mean())
