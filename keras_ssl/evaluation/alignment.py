"""Alignment: how far apart the features of two views of one sample are."""

import numpy as np

from keras_ssl.evaluation.spectrum import blocks
from keras_ssl.evaluation.validation import as_features, l2_normalized
from keras_ssl.losses.numeric import check_positive
from keras_ssl.typing import Tensor


def alignment(features: Tensor, other_features: Tensor, alpha: float = 2.0) -> float:
    r"""The mean distance between L2-normalized features of positive pairs, to a power.

    .. math:: \frac{1}{N} \sum_n \left\lVert
        \frac{z_n}{\lVert z_n \rVert} - \frac{z'_n}{\lVert z'_n \rVert} \right\rVert^\alpha

    Lower is better aligned: 0 where both views of every sample have one direction (also after collapse: read
    it beside `uniformity`), and `2**alpha` at most, where they are opposite. Unrelated features come near 2
    for `alpha` = 2. Rows of zeros stay zeros.

    Args:
        features: of one view, `[N, D]`, any floating type; computed in float64.
        other_features: of the other view of the same samples, `[N, D]`.
        alpha: the power. Defaults to 2.

    Returns:
        The mean, 0 to `2**alpha`.

    Raises:
        ValueError: if the two are not `[N, D]` of one shape, a row holds NaN or infinity (its number is named),
            or `alpha` is not positive.

    Example:

    >>> alignment([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, -1.0]])
    2.0

    Reference:
        Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on
        the Hypersphere", ICML 2020.
    """
    first, second = as_features("features", features), as_features("other_features", other_features)
    if first.shape != second.shape:
        raise ValueError(
            "Arguments `features` and `other_features` must be two views of the same samples. Received: "
            f"features.shape={first.shape}, other_features.shape={second.shape}"
        )
    check_positive("alpha", alpha)
    total = 0.0
    for a, b in zip(blocks(first), blocks(second), strict=True):
        total += float(np.sum(np.linalg.norm(l2_normalized(a) - l2_normalized(b), axis=1) ** alpha))
    return total / len(first)
