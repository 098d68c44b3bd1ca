"""A learning rate that is searched for while the model trains, stage by stage."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.schedules.fit_exponential_loss import fit_exponential_loss
from keras_ssl.schedules.gaussian_process_lr import GaussianProcessLR
from keras_ssl.typing import Logs

__all__ = ["AutoLRS"]

EVALUATIONS = 16  # of the validation loss in a trial
SLOWEST = 1.0  # of a fall that is forecast: see `fit_exponential_loss`


class AutoLRS(keras.callbacks.Callback):
    """Finds the learning rate of each stage of a run by short trials, and applies the best one.

    A stage, with T = `stage_steps` and t = `trial_steps`:

    1. The state of the run is kept: weights, the optimizer's variables, counters, metrics.
    2. For each of `candidates` rates: the run is put back to that state and trained for t steps. To the losses
       `a * exp(-b * step) + c` is fitted, which forecasts the loss after T steps. Bayesian optimization
       (`GaussianProcessLR`) proposes the rates from the forecasts, where those above the loss before the trials count
       as that loss. `b * t` is at least 1, so that a loss which falls along a line is not forecast far below zero.
       Where the loss rises, it is no exponential: the forecast is then the last loss. It rises if a validation loss is
       above that before the trials, or the training losses are higher in the last third of the trial than in the first.
    3. The run is put back once more and trained for T steps with the rate of the smallest forecast.

    So a stage takes `candidates * t + T` batches of `fit`, of which T count: give `fit` that many more steps. With the
    defaults half of the batches are trials. A trial leaves no trace: afterwards weights, optimizer and counters are bit
    for bit what they were. Data are not read again: each trial sees the next batches. With one candidate (or `low`
    equal to `high`) there are no trials, and the rate is constant: the geometric mean of `low` and `high`. Where `fit`
    ends within the trials, the kept state is put back.

    The optimizer must have a learning rate that is a number, not a schedule. It works with any compiled Keras model on
    one device, and one step per execution; it is not resumed by `Checkpoint`.

    Args:
        low: the lowest learning rate, positive.
        high: the highest, at least `low`.
        stage_steps: T, steps of a stage, at least 1. Defaults to 1000.
        trial_steps: t, steps of a trial, at least 3. Defaults to None: a tenth of `stage_steps`.
        candidates: rates tried in a stage, positive. Defaults to 10.
        longest: `stage_steps` and `trial_steps` double with each stage until T would exceed this. Defaults to None:
            they stay. The authors' code has 8000.
        validation: a function of the model that returns its validation loss, called about 16 times in each trial.
            Defaults to None: the training loss of each step, from `logs["loss"]`.
        kappa: how much the search explores, see `GaussianProcessLR`. Defaults to 2.0.

    Attributes:
        history: of each stage a dict: `rates` tried, `forecasts` of the loss, and `chosen`, the rate.

    Raises:
        ValueError: if an argument is out of range; in `fit`, if the learning rate is a schedule, or the model runs
            several steps per execution.

    Example:

    ```python
    search = keras_ssl.callbacks.AutoLRS(
        1e-4, 1.0, stage_steps=200, validation=lambda model: model.evaluate(x_val, y_val, verbose=0)
    )
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    model.fit(x, y, epochs=40, callbacks=[search])
    ```

    Reference: Jin et al., "AutoLRS: automatic learning-rate schedule by Bayesian optimization on the fly", ICLR 2021,
    https://arxiv.org/abs/2105.10762. The default of `kappa`, the kernel and the limits of forecasts are choices of this
    library.
    """

    def __init__(
        self,
        low: float,
        high: float,
        stage_steps: int = 1000,
        trial_steps: int | None = None,
        candidates: int = 10,
        longest: int | None = None,
        validation: Callable[[Any], Any] | None = None,
        kappa: float = 2.0,
    ) -> None:
        super().__init__()
        GaussianProcessLR(low, high, kappa)  # checks them
        self.low, self.high, self.kappa = float(low), float(high), float(kappa)
        self.stage_steps = check_integer("stage_steps", stage_steps, 1)
        tenth = max(3, round(self.stage_steps / 10))
        self.trial_steps = tenth if trial_steps is None else check_integer("trial_steps", trial_steps, 3)
        self.candidates = check_integer("candidates", candidates, 1)
        self.longest = None if longest is None else check_integer("longest", longest, self.stage_steps)
        if validation is not None and not callable(validation):
            raise ValueError(f"`validation` must be a function of the model. Received: validation={validation!r}")
        self.validation = validation
        self.history: list[dict[str, Any]] = []
        self._kept: _State | None = None
        self._search = GaussianProcessLR(low, high, kappa)
        self._rate = self.low  # of the trial
        self._before = 0.0  # the loss before the trials
        self._forecasts: list[float] = []
        self._left = 0  # steps of the stage
        self._tried = 0  # steps of the trial
        self._losses: list[float] = []
        self._measured: list[int] = []
        self._mean, self._steps = 0.0, 0  # of the logged loss

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = self.model
        rate = _inner(model)._learning_rate
        if not isinstance(rate, keras.Variable):
            raise ValueError(
                f"`learning_rate` of the optimizer must be a number. Received: learning_rate={type(rate).__name__}"
            )
        if getattr(model, "steps_per_execution", 1) != 1:
            raise ValueError(
                f"`steps_per_execution` must be 1. Received: steps_per_execution={model.steps_per_execution}"
            )
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._mean, self._steps = 0.0, 0
        if self._kept is not None:
            self._kept.keep_metrics(self.model)  # Keras has just reset them

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self._left or self._kept is not None:
            return
        if self.candidates == 1 or self.low == self.high:
            self._apply(math.sqrt(self.low) * math.sqrt(self.high))
            return
        self._kept = _State(self.model)
        self._search = GaussianProcessLR(self.low, self.high, self.kappa)
        self._forecasts = []
        if self.validation is not None:
            self._before = self._validation_loss()
        self._begin_trial()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._kept is None:
            self._left -= 1
            if not self._left:
                self._grow()
            return
        self._tried += 1
        self._measure(logs or {})
        if self._tried < self.trial_steps and np.isfinite(self._losses).all():
            return
        forecast = self._forecast()
        if self.validation is None and not self._forecasts:
            self._before = self._losses[0]
        self._forecasts.append(forecast)
        # A loss that explodes must not hide the differences between the others.
        self._search.tell(self._rate, min(forecast, self._before) if np.isfinite(forecast) else forecast)
        self._kept.put_back(self.model)
        if len(self._forecasts) < self.candidates:
            self._begin_trial()
        else:
            self._kept = None
            failed = not np.isfinite(self._forecasts).any()
            self._apply(self.low if failed else self._search.rates[int(np.argmin(self._forecasts))])

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._kept is not None:
            self._kept.put_back(self.model)
            self._kept = None

    def _begin_trial(self) -> None:
        model = self.model
        self._rate = self._search.propose()
        _inner(model).learning_rate = self._rate
        model.reset_metrics()
        self._mean, self._steps, self._tried = 0.0, 0, 0
        self._losses, self._measured = [], []

    def _measure(self, logs: Logs) -> None:
        if self.validation is None:
            # Keras logs the mean of the epoch, which began anew with the trial.
            mean, self._steps = float(logs["loss"]), self._steps + 1
            self._losses.append(self._steps * mean - (self._steps - 1) * self._mean)
            self._measured.append(self._tried)
            self._mean = mean
        elif self._tried % max(1, self.trial_steps // EVALUATIONS) == 0:
            self._losses.append(self._validation_loss())
            self._measured.append(self._tried)

    def _validation_loss(self) -> float:
        if self.validation is None:
            raise ValueError("There must be a validation. Received: validation=None")
        model = self.model
        metrics = [(variable, _copy(variable)) for variable in model.metrics_variables]
        loss = self.validation(model)
        for variable, value in metrics:  # `evaluate` resets them
            variable.assign(value)
        return float(np.reshape(loss, -1)[0])

    def _forecast(self) -> float:
        if len(self._losses) < 3 or not np.isfinite(self._losses).all():
            return float("inf")
        third = max(1, len(self._losses) // 3)
        last = float(np.mean(self._losses[-third:]))
        if self.validation is not None:
            rises, last = max(self._losses) > self._before, self._losses[-1]
        else:
            rises = last > float(np.mean(self._losses[:third]))
        if rises:
            return last
        fitted = fit_exponential_loss(self._losses, self._measured, slowest=SLOWEST)
        return float(fitted(float(self.stage_steps)))

    def _apply(self, rate: float) -> None:
        _inner(self.model).learning_rate = rate
        self._left = self.stage_steps
        tried = {"rates": list(self._search.rates), "forecasts": list(self._forecasts)}
        self.history.append({**tried, "chosen": rate})

    def _grow(self) -> None:
        if self.longest is not None and 2 * self.stage_steps <= self.longest:
            self.stage_steps, self.trial_steps = 2 * self.stage_steps, 2 * self.trial_steps


class _State:
    """Copies of all variables of a run."""

    def __init__(self, model: Any) -> None:
        metrics = {id(variable) for variable in model.metrics_variables}
        run = {id(variable): variable for variable in (*model.variables, *model.optimizer.variables)}
        self._run = [(variable, _copy(variable)) for key, variable in run.items() if key not in metrics]
        self.keep_metrics(model)

    def keep_metrics(self, model: Any) -> None:
        self._metrics = [(variable, _copy(variable)) for variable in model.metrics_variables]

    def put_back(self, model: Any) -> None:
        model.reset_metrics()  # those that were made since
        for variable, value in (*self._run, *self._metrics):
            variable.assign(value)


def _copy(variable: Any) -> Any:
    # On a CPU the array may share its memory with the variable, which goes on changing.
    if keras.backend.standardize_dtype(variable.dtype) == "bfloat16":
        return np.array(keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32")))
    return np.array(keras.ops.convert_to_numpy(variable))


def _inner(model: Any) -> Any:
    """The model's optimizer without its loss scaling."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)
