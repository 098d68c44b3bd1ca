"""Keeps the samples that a model finds least surprising."""

from typing import Any

import numpy as np

from keras_ssl.check_numbers import check_numbers

__all__ = ["PerplexityFilter"]


class PerplexityFilter:
    """Keeps a share of the samples, those of the lowest loss (or perplexity) under a reference model.

    Exactly `round(share * N)` samples, at least 1, are kept. Which ones follows from the losses alone, not from the
    order of the samples, but for exact ties: of these the first in the data are kept.

    Args:
        share: of the samples, in (0, 1]. Defaults to 0.2, the share of the paper (1 of 5 million).

    Raises:
        ValueError: if `share` is not in (0, 1].

    Example:

    >>> PerplexityFilter(0.5)([2.0, 0.5, 9.0, 1.0]).tolist()
    [1, 3]

    Reference: Liu et al., "POINTS: Improving your vision-language model with affordable strategies", 2024,
    https://arxiv.org/abs/2409.04828.
    """

    def __init__(self, share: float = 0.2) -> None:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise ValueError(f"`share` must be a number in (0, 1]. Received: share={share!r}")
        self.share = float(share)

    def __call__(self, losses: Any) -> np.ndarray:
        """Chooses samples.

        Args:
            losses: one number for each sample, `[N]`: loss, log perplexity or perplexity, which order alike.

        Returns:
            Indices of the samples that are kept, ascending, int64.

        Raises:
            ValueError: if `losses` is empty, no vector of numbers, or holds NaN.
        """
        losses = check_numbers("losses", losses).astype("float64")
        if losses.ndim != 1 or not len(losses):
            raise ValueError(f"`losses` must be a vector of one or more. Received: losses.shape={losses.shape}")
        if np.isnan(losses).any():
            raise ValueError(f"`losses` must hold no NaN. Received: NaN at {int(np.argmax(np.isnan(losses)))}")
        count = max(round(self.share * len(losses)), 1)
        return np.sort(np.argsort(losses, kind="stable")[:count])
