"""Utilization: how much of the space of test features the training features have been in."""

import numpy as np

from keras_ssl.evaluation.validation import as_features, same_width
from keras_ssl.typing import Tensor

__all__ = ["utilization"]

_BLOCK = 2**22  # distances in memory at a time


def utilization(features: Tensor, train_features: Tensor, mixed_features: Tensor | None = None) -> float:
    r"""The mean distance of test features to the nearest feature that was seen in training.

    .. math:: \frac{1}{M} \sum_{m} \min_{n} \lVert q_m - x_n \rVert

    It is 0 where every test feature is among those of training, and never grows when more of these are added: mixed
    features reach parts of the space that training samples alone leave empty. Lower is better.

    Args:
        features: of test samples, `[M, D]`, any floating type, taken as they are; computed in float64.
        train_features: `[N, D]`.
        mixed_features: features of mixed samples, `[P, D]`, which count as seen in training. None (default): none.

    Returns:
        The mean distance, at least 0.

    Raises:
        ValueError: if shapes do not fit or a row holds NaN or infinity.

    Example:

    >>> utilization([[0.0, 0.0], [4.0, 0.0]], [[0.0, 0.0], [4.0, 3.0]])
    1.5

    Reference:
        Venkataramanan et al., "It Takes Two to Tango: Mixup for Deep Metric Learning", ICLR 2022.
    """
    queries, seen = as_features("features", features), as_features("train_features", train_features)
    same_width("features", queries, "train_features", seen)
    if mixed_features is not None:
        mixed = as_features("mixed_features", mixed_features)
        same_width("features", queries, "mixed_features", mixed)
        seen = np.concatenate([seen, mixed])
    queries, seen = queries.astype(np.float64), seen.astype(np.float64)
    rows = max(1, _BLOCK // seen.size)
    nearest = []
    for start in range(0, len(queries), rows):
        difference = queries[start : start + rows, np.newaxis] - seen[np.newaxis]
        nearest.append(np.sqrt(np.sum(difference**2, axis=2).min(axis=1)))
    return float(np.concatenate(nearest).mean())
