"""Rehearsal of old tasks as a natural environment would bring them back: rarer the longer ago."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_features
from keras_ssl.data.selection.mixture_batches import MixtureBatches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["PowerLawReplaySampler"]


class PowerLawReplaySampler(MixtureBatches):
    """Batches of tasks that arrive one after another, in which a task is the rarer the longer ago it was trained.

    Task `i` arrives in epoch `t_i`. In epoch `e`, at the time `t = e + 1`, the tasks that have arrived are drawn with

        p(task i) = (t - t_i)^-exponent / sum over arrived tasks j of (t - t_j)^-exponent,

    the others with 0. `exponent=0` is uniform rehearsal, a large exponent trains on the newest task alone. Each sample
    of a task is drawn with the same probability, with replacement; an epoch is a pure function of the seed and its
    number. Where the paper lets time run in tasks, `times=None` does the same: one epoch for each.

    Args:
        x: inputs of all tasks, `[N, ...]`.
        y: labels `[N]`. Defaults to None.
        task: each sample's task, integers `[N]`, from 0 on without a gap.
        exponent: how fast old tasks fade, 0 or more. Defaults to 1.0.
        times: the epoch in which each task arrives, numbers of 0 or more that do not fall, the first one 0. Defaults to
            None: 0, 1, 2 and so on.
        batch_size: samples in a batch. Defaults to 256.
        batches: batches in an epoch. Defaults to None: as many as an average task fills, at least one.
        seed: in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.
        pairs: whether batches are `(x, y)`, for `fit` of any Keras model with `shuffle=False`. Defaults to False: dicts
            of `x`, `y`, `index` and `group` (the task), for the objectives of this library.

    Raises:
        ValueError: if an argument is out of range or lengths differ.

    Example:

    >>> sampler = PowerLawReplaySampler(np.zeros((6, 2)), task=[0, 0, 1, 1, 2, 2], batch_size=2)
    >>> sampler.probabilities(epoch=1).round(3).tolist()
    [0.333, 0.667, 0.0]

    Reference: Gandhi, Shah, Marupudi and Varma, "Catastrophic Interference is Mitigated in Naturalistic Power-Law
    Learning Environments", 2024, https://arxiv.org/abs/2401.10393.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        task: Any,
        exponent: float = 1.0,
        times: Any = None,
        batch_size: int = 256,
        batches: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        pairs: bool = False,
    ) -> None:
        super().__init__(x, y, task, "task", batch_size, batches, seed, epoch, pairs)
        self.exponent = check_number("exponent", exponent, 0.0)
        self.times = np.arange(self.groups, dtype="float64") if times is None else check_features("times", times, 1)
        if len(self.times) != self.groups or self.times[0] != 0 or (np.diff(self.times) < 0).any():
            raise ValueError(
                f"`times` must be {self.groups} numbers that start at 0 and do not fall. "
                f"Received: times={np.asarray(times).tolist()}"
            )

    def probabilities(self, epoch: int) -> np.ndarray:
        """The share of each task in an epoch.

        Args:
            epoch: the epoch's number, from 0.

        Returns:
            Float64 `[tasks]` with the sum 1; 0 for tasks that have not arrived.
        """
        ages = check_integer("epoch", epoch, 0) + 1 - self.times
        arrived = ages >= 1.0
        # By logarithms and relative to the newest: a large exponent must not make all of them 0.
        logs = np.where(arrived, -self.exponent * np.log(np.where(arrived, ages, 1.0)), -np.inf)
        shares = np.exp(logs - logs.max())
        return shares / shares.sum()
