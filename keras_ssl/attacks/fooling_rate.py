"""How many predictions an attack changes."""

import numpy as np

from keras_ssl.typing import Tensor

__all__ = ["fooling_rate"]


def fooling_rate(clean: Tensor, attacked: Tensor) -> float:
    """The share of samples whose predicted class an attack changes, whether it was right or not.

    Args:
        clean: predictions for the images as they are: classes `[N]` (integers or strings), or scores `[N, K]`, of which
            the largest counts.
        attacked: the same of the attacked images.

    Returns:
        The share, 0 to 1.

    Raises:
        ValueError: if there are no predictions, or shapes differ.

    Example:

    >>> fooling_rate([0, 1, 2, 2], [0, 2, 2, 1])
    0.5

    Reference:
        Moosavi-Dezfooli et al., "Universal adversarial perturbations", CVPR 2017.
    """
    first, second = np.asarray(clean), np.asarray(attacked)
    if first.shape != second.shape or first.ndim not in (1, 2) or not first.size:
        raise ValueError(
            "`clean` and `attacked` must be [N] or [N, K], of one shape. "
            f"Received: clean.shape={first.shape}, attacked.shape={second.shape}"
        )
    if first.ndim == 2:
        first, second = first.argmax(axis=1), second.argmax(axis=1)
    return float(np.mean(first != second))
