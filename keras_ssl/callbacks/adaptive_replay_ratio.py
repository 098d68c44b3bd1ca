"""How often data are used again, by how plastic the network is."""

from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.fraction_of_active_units import fraction_of_active_units, relu_activations
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Logs

__all__ = ["AdaptiveReplayRatio"]


class AdaptiveReplayRatio(keras.callbacks.Callback):
    """Keeps the replay ratio low until the network's plasticity has settled, then raises it for good.

    The plasticity is the fraction of active units. As soon as it differs from the one before by less than `threshold`,
    `patience` times in a row, the ratio becomes `high`, and stays so. The first value only serves to be compared with.

    The ratio is the number of updates for each new step (batch, or step in an environment). A training loop asks `due`
    how many updates to make now; a ratio of 0.5 makes one at every second step. As a callback of `fit`, with `x`, the
    fraction is measured at the end of epochs and logged as `active_units`, with `replay_ratio`; `fit` itself makes one
    update per batch whatever the ratio is.

    Args:
        x: inputs `[N, ...]` on which a callback measures; of a model with an `encoder`, the encoder's. Defaults to
            None: the loop calls `update` itself.
        low: the first ratio, above 0. Defaults to 0.5, the paper's.
        high: the ratio after the change, at least `low`. Defaults to 2.0, the paper's.
        threshold: of the difference, not negative; 0 never raises the ratio. Defaults to 0.001, the paper's.
        patience: how many small differences in a row it takes. Defaults to 1.
        every: epochs from one measure to the next. Defaults to 1.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> replay = AdaptiveReplayRatio(low=0.5, high=2.0)
    >>> [replay.update(fraction) for fraction in (0.9, 0.6, 0.5, 0.4999, 0.3)]
    [0.5, 0.5, 0.5, 2.0, 2.0]
    >>> [replay.due() for _ in range(3)]
    [2, 2, 2]

    Reference:
        Ma et al., "Revisiting Plasticity in Visual Reinforcement Learning: Data, Modules and Training Stages", ICLR
        2024.
    """

    def __init__(
        self,
        x: Any = None,
        low: float = 0.5,
        high: float = 2.0,
        threshold: float = 0.001,
        patience: int = 1,
        every: int = 1,
    ) -> None:
        super().__init__()
        self.x = x
        self.low = check_number("low", low, 0.0, above=True)
        self.high = check_number("high", high, self.low)
        self.threshold = check_number("threshold", threshold, 0.0)
        self.patience = check_integer("patience", patience, 1)
        self.every = check_integer("every", every, 1)
        self.ratio = self.low
        self._before: float | None = None
        self._calm = 0
        self._owed = 0.0

    def update(self, fraction: float) -> float:
        """Takes note of a fraction of active units, in [0, 1], and returns the ratio from now on."""
        fraction = check_number("fraction", fraction, 0.0, 1.0)
        if self._before is not None:
            self._calm = self._calm + 1 if abs(fraction - self._before) < self.threshold else 0
        self._before = fraction
        if self._calm >= self.patience:
            self.ratio = self.high
        return self.ratio

    def due(self, steps: int = 1) -> int:
        """The number of updates to make after this many new steps; what is left of a whole one is kept."""
        self._owed += self.ratio * check_integer("steps", steps, 0)
        count = int(self._owed + 1e-9)
        self._owed = max(self._owed - count, 0.0)
        return count

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.x is None or (epoch + 1) % self.every:
            return
        model = getattr(self.model, "encoder", self.model)
        fraction = fraction_of_active_units(relu_activations(model, self.x))
        self.update(fraction)
        if logs is not None:
            logs["active_units"], logs["replay_ratio"] = fraction, self.ratio
