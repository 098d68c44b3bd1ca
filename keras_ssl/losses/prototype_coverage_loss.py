"""What keeps prototypes among the data, and the data near prototypes."""

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["prototype_coverage_loss"]


def prototype_coverage_loss(distances: Tensor) -> tuple[Tensor, Tensor]:
    r"""How far prototypes are from their nearest samples, and samples from their nearest prototypes.

    .. math:: R_1 = \frac{1}{P} \sum_j \min_i d_{ij}, \qquad R_2 = \frac{1}{N} \sum_i \min_j d_{ij}

    A small :math:`R_1` makes each prototype a feature that some sample could have; a small :math:`R_2` leaves no sample
    without a prototype.

    Args:
        distances: squared distances of N samples to P prototypes, `[N, P]`.

    Returns:
        R1 and R2, two scalars, float32.

    Raises:
        ValueError: if `distances` is no matrix.

    Example:

    >>> first, second = prototype_coverage_loss(np.array([[0.0, 4.0], [2.0, 3.0]]))
    >>> float(first), float(second)
    (1.5, 1.0)

    Reference:
        Li et al., "Deep Learning for Case-Based Reasoning through Prototypes: A Neural Network that Explains Its
        Predictions", AAAI 2018.
    """
    distances = as_float(distances)
    if len(distances.shape) != 2:
        raise ValueError(f"`distances` must be [N, P]. Received: distances.shape={tuple(distances.shape)}")
    ops = keras.ops
    return ops.mean(ops.min(distances, axis=0)), ops.mean(ops.min(distances, axis=1))
