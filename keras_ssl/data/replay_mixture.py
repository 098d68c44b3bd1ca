"""New data with a small share of old ones, against forgetting."""

import math
from typing import Any

import numpy as np

from keras_ssl.data.data_mixture import DataMixture, spread
from keras_ssl.losses.numeric import check_integer

__all__ = ["ReplayMixture"]


class ReplayMixture(DataMixture):
    """A data set for continual training: one pass over new data, into which old ones are mixed.

    Of the `n` samples of an epoch `round(share * n)` are old (half a sample is rounded up), spread evenly, and the
    others new. An epoch has as many full batches as the new data last for: each new sample comes at most once, and up
    to a batch of them is left out, others in each epoch. Old data are read pass after pass through the epochs. Use it
    with `RewarmRedecaySchedule` or `InfiniteLearningRate`.

    Args:
        new: an array `[N, ...]`, a tuple of arrays such as `(x, y)`, or a dict of arrays. Batches have the same form.
        old: earlier data in the same form.
        share: of the old data in the epoch, in [0, 1). The paper used 0.05 for a weak shift, and more for a strong one.
            Defaults to 0.05.
        batch_size: samples in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range, the data do not have one form, or the new data are less than a batch
            needs.

    Example:

    >>> data = ReplayMixture(np.ones(90), np.zeros(500), share=0.1, batch_size=20)
    >>> len(data), sum(float(data[step].sum()) for step in range(5))  # 90 new ones of 100
    (5, 90.0)

    Reference: Ibrahim et al., "Simple and scalable strategies to continually pre-train large language models", TMLR
    2024, https://arxiv.org/abs/2403.08763.
    """

    def __init__(
        self,
        new: Any,
        old: Any,
        share: float = 0.05,
        batch_size: int = 256,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share < 1.0:
            raise ValueError(f"`share` must lie in [0, 1). Received: share={share!r}")
        self.share = float(share)
        batch_size = check_integer("batch_size", batch_size, 1)
        super().__init__((new, old), (1.0 - share, share), 1, batch_size, seed, epoch)
        available = self._counts[0]
        steps = int((available + 1) / (1.0 - self.share) / batch_size) + 1  # rounding adds at most a sample
        while steps and steps * batch_size - self._old_samples(steps * batch_size) > available:
            steps -= 1
        if not steps:
            raise ValueError(
                f"`batch_size` must be at most what {available} new samples fill. Received: batch_size={batch_size}"
            )
        self.count = steps * batch_size
        self._cached_order = (-1, np.arange(self.count))

    def _old_samples(self, total: int) -> int:
        return math.floor(round(self.share * total, 9) + 0.5)

    def switch(self, step: int, proportions: Any) -> None:
        """Not available: the length of an epoch follows from the share.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"A replay mixture has one share; use a DataMixture. Received: proportions={proportions!r}")

    def _sources(self, epoch: int) -> np.ndarray:
        old = self._old_samples(self.count)
        return spread(np.array([self.count - old, old]))

    def _rows(self, number: int, epoch: int, count: int) -> np.ndarray:
        if number == 0:  # at most one pass
            return self._pass(0, epoch)[:count]
        return super()._rows(number, epoch, count)
