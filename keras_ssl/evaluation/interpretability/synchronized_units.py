"""ReLUs that fire on the same samples."""

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor

__all__ = ["synchronized_units"]


def synchronized_units(activations: Tensor, threshold: float = 0.0) -> list[np.ndarray]:
    """Groups of units that are active on exactly the same samples.

    On those samples a group of ReLUs is one linear map, so that its weights can be mixed without any change of the
    network: each group is one degenerate block. A unit is active where its activation is above `threshold`. Units that
    are never active form no group.

    Args:
        activations: after the ReLU, `[N, D]`.
        threshold: not negative. Defaults to 0.

    Returns:
        The groups, of at least one unit each: int64 arrays of unit numbers in ascending order, the group of the lowest
        number first. Their number is the number of ReLUs that differ.

    Raises:
        ValueError: if activations are not finite numbers `[N, D]`, or `threshold` is negative.

    Example:

    >>> groups = synchronized_units([[1.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 0.0]])
    >>> [group.tolist() for group in groups]
    [[0, 2], [1]]

    Reference:
        Bushnaq et al., "Using Degeneracy in the Loss Landscape for Mechanistic Interpretability", 2024.
    """
    active = as_features("activations", activations) > check_number("threshold", threshold, 0.0)
    groups: dict[bytes, list[int]] = {}
    for unit in np.flatnonzero(active.any(axis=0)):
        groups.setdefault(np.packbits(active[:, unit]).tobytes(), []).append(int(unit))
    return [np.array(units, np.int64) for units in groups.values()]
