"""Distribution alignment: predictions whose mean is another one."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["align_distribution"]


def align_distribution(probabilities: Tensor, target: Tensor, mean: Tensor) -> Tensor:
    """Scales each class by how much rarer it is predicted than it should be: `normalize(p * target / mean)`.

    Args:
        probabilities: p, `[N, K]`, rows that sum to 1.
        target: the mean that predictions should have, `[K]`; numbers below 1e-6 count as 1e-6, as in `mean`: where the
            target lacks a class, a prediction of that class alone would otherwise have nothing to scale.
        mean: the mean that they have, `[K]`.

    Returns:
        Rows that sum to 1, float32 `[N, K]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> p = keras.ops.array([[0.8, 0.2]])
    >>> uniform, mean = keras.ops.array([0.5, 0.5]), keras.ops.array([0.8, 0.2])
    >>> [round(float(value), 4) for value in align_distribution(p, uniform, mean)[0]]
    [0.5, 0.5]

    Reference: Berthelot et al., "ReMixMatch: Semi-Supervised Learning with Distribution Matching and Augmentation
    Anchoring", ICLR 2020.
    """
    check_shape("target", target, probabilities.shape[-1:])
    check_shape("mean", mean, probabilities.shape[-1:])
    ops = keras.ops
    probabilities = as_float(probabilities)
    target, mean = (ops.maximum(as_float(part, probabilities), 1e-6) for part in (target, mean))
    scaled = probabilities * ops.cast(target / mean, probabilities.dtype)
    return scaled / ops.sum(scaled, axis=-1, keepdims=True)
