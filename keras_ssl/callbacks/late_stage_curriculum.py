"""Better data at the end: the mix of the data changes while the learning rate anneals."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.data.data_mixture import DataMixture
from keras_ssl.schedules.late_anneal import LateAnneal
from keras_ssl.schedules.steps import check_rate, check_steps
from keras_ssl.typing import Logs

__all__ = ["LateStageCurriculum"]


class LateStageCurriculum(keras.callbacks.Callback):
    """Switches to another mix of the data at a step, and anneals the learning rate linearly from there to the end.

        k < switch_step:   proportions of `data`, learning rate of the optimizer
        k >= switch_step:  `proportions`, rate = rate(switch_step) * (1 - p) + final * p,
                           p = min((k - switch_step) / (total_steps - switch_step), 1)

    The first part trains on much data of mixed quality; the last one on a mix with more of the best, which counts most
    while the rate falls. To gain more, run the last part several times from one checkpoint, with other seeds of the
    data, and take `keras_ssl.optimizers.average_annealed_runs` of their weights.

    Steps are those of the optimizer (`optimizer.iterations`), which are those of the data in a run from its beginning:
    batches counted through all epochs from 0. The rate is continuous at the switch and `final` at step `total_steps`.
    The optimizer's rate may be a number or a schedule; it is the anneal's afterwards.

    Args:
        data: the `keras_ssl.data.DataMixture` that `fit` is given.
        proportions: of its sources from the switch on.
        switch_step: the first step with the new mix, at least 0.
        total_steps: the steps of the run, more than `switch_step`.
        final: the last rate, at least 0. Defaults to 0.0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    data = keras_ssl.data.DataMixture([(web, web_labels), (book, book_labels)], (0.9, 0.1), steps_per_epoch=100)
    late = keras_ssl.callbacks.LateStageCurriculum(data, (0.3, 0.7), switch_step=900, total_steps=1000)
    model.fit(data, epochs=10, shuffle=False, callbacks=[late])
    ```

    Reference: OLMo team, "2 OLMo 2 furious", COLM 2025, https://arxiv.org/abs/2501.00656.
    """

    def __init__(
        self,
        data: DataMixture,
        proportions: Sequence[float],
        switch_step: int,
        total_steps: int,
        final: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(data, DataMixture):
            raise ValueError(f"`data` must be a DataMixture. Received: data={type(data).__name__}")
        self.switch_step = check_steps("switch_step", switch_step)
        self.total_steps = check_steps("total_steps", total_steps, 1)
        if self.switch_step >= self.total_steps:
            raise ValueError(
                "`switch_step` must be less than `total_steps`. "
                f"Received: switch_step={switch_step}, total_steps={total_steps}"
            )
        self.final = check_rate("final", final, zero=True)
        # At once: threads read ahead of the step.
        data.switch(self.switch_step, proportions)
        self.data, self.proportions = data, tuple(proportions)
        self._start: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        optimizer = _inner(self.model)
        rate = optimizer._learning_rate
        if isinstance(rate, LateAnneal):
            return  # of an earlier call of `fit`
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            optimizer.learning_rate = LateAnneal(rate, self.switch_step, self.total_steps, self.final)
            self.model.make_train_function(force=True)
        elif self._start is None:
            self._start = float(keras.ops.convert_to_numpy(optimizer.learning_rate))

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self._start is None:
            return
        optimizer = _inner(self.model)
        step = int(keras.ops.convert_to_numpy(optimizer._iterations))
        if step <= self.switch_step:
            self._start = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            return
        progress = min((step - self.switch_step) / (self.total_steps - self.switch_step), 1.0)
        optimizer.learning_rate = self._start * (1.0 - progress) + self.final * progress


def _inner(model: Any) -> Any:
    """The model's optimizer without its loss scaling."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)
