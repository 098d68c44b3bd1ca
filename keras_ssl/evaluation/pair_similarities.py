"""Similarities of the two views of each sample, and of views of different samples."""

import numpy as np

from keras_ssl.evaluation.validation import as_features, l2_normalized
from keras_ssl.typing import Tensor


def pair_similarities(features: Tensor, other_features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The cosine similarities of positive and of negative pairs, for a look at how far they are apart.

    Positive pairs are two views of one sample, negative pairs a view of one sample and the other view of another.
    Where both lie near 1 the features have collapsed; where both lie alike, the views share nothing that is learned.

    Args:
        features: of one view, `[N, D]`, any floating type; computed in float64. Rows of zeros stay zeros.
        other_features: of the other view of the same samples, `[N, D]`. N at least 2.

    Returns:
        Similarities in [-1, 1]: of the N positive pairs and of the `N (N - 1)` negative ones.

    Raises:
        ValueError: if the two are not `[N, D]` of one shape, there are fewer than two samples, or a row holds NaN or
            infinity (its number is named).

    Example:

    >>> positive, negative = pair_similarities([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, 1.0]])
    >>> positive.tolist(), negative.tolist()
    ([1.0, 1.0], [0.0, 0.0])
    """
    first, second = as_features("features", features, 2), as_features("other_features", other_features, 2)
    if first.shape != second.shape:
        raise ValueError(
            "Arguments `features` and `other_features` must be two views of the same samples. Received: "
            f"features.shape={first.shape}, other_features.shape={second.shape}"
        )
    unit, other_unit = l2_normalized(first.astype(np.float64)), l2_normalized(second.astype(np.float64))
    products = np.clip(unit @ other_unit.T, -1.0, 1.0)
    return np.diagonal(products).copy(), products[~np.eye(len(products), dtype=bool)]
