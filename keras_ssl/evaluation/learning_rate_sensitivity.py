"""How much the choice of the learning rate matters."""

from typing import Any

import numpy as np

__all__ = ["learning_rate_sensitivity"]


def learning_rate_sensitivity(losses: Any, initial_loss: float) -> float:
    """The mean loss over a sweep of learning rates, above the best: 0 where every rate does as well.

    `mean_r min(loss_r, initial_loss) - min_r min(loss_r, initial_loss)`. The rates of the sweep should be equally far
    apart on a logarithmic scale, such as `10^-4 ... 10^-1`. A run that diverged, to NaN or infinity or above the loss
    at initialization, counts as if it had not trained.

    Args:
        losses: the final loss of each run, `[R]`, R at least 1; NaN and infinity are diverged runs.
        initial_loss: the loss at initialization, finite.

    Returns:
        A float, at least 0, in units of the loss.

    Raises:
        ValueError: if there is no run, or `initial_loss` is not finite.

    Example:

    >>> learning_rate_sensitivity([2.0, 1.0, 1.5, float("nan")], initial_loss=2.5)
    0.75

    Reference: Wortsman et al., "Small-scale proxies for large-scale Transformer training instabilities", ICLR 2024.
    """
    found = np.asarray(losses, "float64")
    if found.ndim != 1 or not len(found):
        raise ValueError(f"`losses` must hold a number for each run, [R]. Received: losses={losses!r}")
    if isinstance(initial_loss, bool) or not np.isscalar(initial_loss) or not np.isfinite(initial_loss):
        raise ValueError(f"`initial_loss` must be finite. Received: initial_loss={initial_loss}")
    # minus infinity is no loss that training reached, but one that it lost
    found = np.where(np.isfinite(found), np.minimum(found, initial_loss), initial_loss)
    return float(found.mean() - found.min())
