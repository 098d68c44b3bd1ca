"""Thresholds of confidence that differ from class to class."""

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["flex_match_thresholds", "free_match_thresholds"]

MAPPINGS = ("convex", "linear", "concave")


def flex_match_thresholds(
    counts: Tensor, unused: Tensor | float = 0.0, threshold: float = 0.95, mapping: str = "convex"
) -> Tensor:
    """Curriculum pseudo-labeling: lower thresholds for classes that are learned late.

    `beta_c = counts_c / max(max counts, unused)` tells how well a class is learned; its threshold is
    `M(beta_c) * threshold`, with `M(b) = b / (2 - b)` ("convex"), `b` ("linear") or `log(b + 1) / log 2` ("concave").

    Args:
        counts: unlabeled samples whose confident prediction is the class, `[K]`.
        unused: unlabeled samples without a confident prediction; 0 (default) is no warm-up of the thresholds.
        threshold: of the class that is learned best, in [0, 1]. Defaults to 0.95, the paper's.
        mapping: "convex" (default, the paper's), "linear" or "concave".

    Returns:
        float32 `[K]`; zeros where all counts and `unused` are 0.

    Raises:
        ValueError: if `threshold` lies outside [0, 1] or `mapping` is unknown.

    Example:

    >>> thresholds = flex_match_thresholds(keras.ops.array([4.0, 2.0]), threshold=0.9)
    >>> [round(float(value), 4) for value in thresholds]
    [0.9, 0.3]

    Reference: Zhang et al., "FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling", NeurIPS
    2021.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"`threshold` must lie in [0, 1]. Received: threshold={threshold}")
    if mapping not in MAPPINGS:
        raise ValueError(f"`mapping` must be one of {', '.join(MAPPINGS)}. Received: mapping={mapping!r}")
    ops = keras.ops
    counts = as_float(counts)
    most = ops.maximum(ops.max(counts), ops.cast(unused, counts.dtype))
    beta = counts / ops.maximum(most, 1e-12)
    if mapping == "convex":
        beta = beta / (2.0 - beta)
    elif mapping == "concave":
        beta = ops.log(beta + 1.0) / 0.6931471805599453
    return beta * threshold


def free_match_thresholds(confidence: Tensor, class_means: Tensor) -> Tensor:
    """Self-adaptive thresholds: a running mean of the confidence, modulated by the running mean of each class.

    `confidence * class_means_c / max class_means`.

    Args:
        confidence: running mean of the largest probability, a scalar.
        class_means: running mean of the predictions, `[K]`.

    Returns:
        float32 `[K]`.

    Example:

    >>> thresholds = free_match_thresholds(keras.ops.array(0.8), keras.ops.array([0.5, 0.25, 0.25]))
    >>> [round(float(value), 4) for value in thresholds]
    [0.8, 0.4, 0.4]

    Reference: Wang et al., "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning", ICLR 2023.
    """
    class_means = as_float(class_means)
    return as_float(confidence, class_means) * class_means / keras.ops.maximum(keras.ops.max(class_means), 1e-12)
