"""A mixture of skills that follows the validation losses along a graph of what helps what."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_features
from keras_ssl.data.selection.mixture_batches import MixtureBatches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["SkillItSampler"]


class SkillItSampler(MixtureBatches):
    """Batches of several skills, in proportions that grow for skills that would lower the losses of today.

    With the graph `A`, where `A_ij` says how much training on skill `i` lowers the validation loss of skill `j`, and
    the validation losses `L_j` of the last `window` updates,

        p_i = prior_i exp(eta sum over the window of sum_j A_ij L_j) / sum of the same over all skills.

    Before the first update all losses count as 1: `p_i` is proportional to `prior_i exp(eta sum_j A_ij)`. With an
    endless window (`window=None`) each update is `p_i <- p_i exp(eta sum_j A_ij L_j)`, mirror descent. `eta=0` keeps
    the prior. The identity as graph gives exponentiated gradient on each skill's own loss.

    Give the losses by `update` after each epoch, or let `callback` do it. What `fit` is told must include
    `shuffle=False`.

    Args:
        x: inputs of all skills, `[N, ...]`.
        y: labels `[N]`. Defaults to None.
        skill: each sample's skill, integers `[N]`, from 0 on without a gap.
        graph: `A`, numbers of 0 or more, `[skills, evaluated skills]`; square where all skills are evaluated.
        eta: step size, 0 or more. Defaults to 0.2.
        window: how many of the last updates count, or None for all. Defaults to 3, the paper's.
        prior: shares to start from, positive, `[skills]`. Defaults to None: uniform.
        batch_size: samples in a batch. Defaults to 256.
        batches: batches in an epoch. Defaults to None: as many as an average skill fills, at least one.
        seed: in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.
        pairs: whether batches are `(x, y)`, for `fit` of any Keras model. Defaults to False: dicts of `x`, `y`,
            `index` and `group` (the skill), for the objectives of this library.

    Attributes:
        history: the losses of all updates, a list of float64 arrays. Set it to resume a run.

    Raises:
        ValueError: if an argument is out of range or shapes do not fit.

    Example:

    >>> graph = [[1.0, 0.5], [0.0, 1.0]]  # skill 0 helps skill 1
    >>> sampler = SkillItSampler(np.zeros((4, 2)), skill=[0, 0, 1, 1], graph=graph, eta=1.0, batch_size=2)
    >>> sampler.update([2.0, 2.0]).round(3).tolist()
    [0.731, 0.269]
    >>> sampler.update([0.0, 2.0]).round(3).tolist()
    [0.5, 0.5]

    Reference: Chen et al., "Skill-it! A Data-Driven Skills Framework for Understanding and Training Language Models",
    NeurIPS 2023.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        skill: Any,
        graph: Any,
        eta: float = 0.2,
        window: int | None = 3,
        prior: Any = None,
        batch_size: int = 256,
        batches: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        pairs: bool = False,
    ) -> None:
        super().__init__(x, y, skill, "skill", batch_size, batches, seed, epoch, pairs)
        self.graph = check_features("graph", graph)
        if len(self.graph) != self.groups or (self.graph < 0).any():
            raise ValueError(
                f"`graph` must have {self.groups} rows, one for each skill, and no negative number. "
                f"Received: graph={self.graph.tolist()}"
            )
        self.eta = check_number("eta", eta, 0.0)
        self.window = None if window is None else check_integer("window", window, 1)
        self.prior = np.ones(self.groups) if prior is None else check_features("prior", prior, 1)
        if len(self.prior) != self.groups or (self.prior <= 0).any():
            raise ValueError(f"`prior` must be {self.groups} positive numbers. Received: prior={self.prior.tolist()}")
        self.prior = self.prior / self.prior.sum()
        self.history: list[np.ndarray] = []

    @property
    def proportions(self) -> np.ndarray:
        """The share of each skill from now on: float64 `[skills]`, positive, with the sum 1."""
        losses = np.ones(self.graph.shape[1])
        if self.history:
            losses = np.sum(self.history[-self.window :] if self.window else self.history, axis=0)
        logs = np.log(self.prior) + self.eta * self.graph @ losses
        shares = np.exp(logs - logs.max())
        return shares / shares.sum()

    def probabilities(self, epoch: int) -> np.ndarray:
        """The share of each skill now, whatever the epoch: it depends on the losses."""
        return self.proportions

    def update(self, losses: Any) -> np.ndarray:
        """Takes note of validation losses.

        Args:
            losses: of the evaluated skills, 0 or more, in the order of the graph's columns.

        Returns:
            The new shares of the skills, float64 `[skills]`.

        Raises:
            ValueError: if there is not one finite loss of 0 or more for each column.
        """
        values = check_features("losses", losses, 1)
        if len(values) != self.graph.shape[1] or (values < 0).any():
            raise ValueError(
                f"`losses` must be {self.graph.shape[1]} numbers of 0 or more. Received: losses={values.tolist()}"
            )
        self.history.append(values)
        return self.proportions

    def callback(self, evaluate: Callable[[keras.Model], Any]) -> keras.callbacks.Callback:
        """A callback of `fit` that updates the shares after each epoch.

        Args:
            evaluate: takes the model and returns the validation losses.
        """
        sampler = self

        class UpdateProportions(keras.callbacks.Callback):
            """Updates the shares of a sampler after each epoch."""

            def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
                sampler.update(evaluate(self.model))

        return UpdateProportions()
