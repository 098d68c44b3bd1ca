"""An end to a run whose numbers are none, with a word on the cause."""

from contextlib import nullcontext
from typing import Any

import numpy as np

from keras_ssl.training import SSLModel
from keras_ssl.training.finite_watch import FiniteWatch
from keras_ssl.training.resume import FitHook, Position, Run
from keras_ssl.typing import Logs
from keras_ssl.weights.named_weights import named_weights


class StopOnNaN(FitHook):
    """Raises an error as soon as a logged number of a step, or a gradient, is NaN or infinite, and names the cause.

    The cause is the first bad tensor of the first bad step, in the order in which a step computes them: the input, an
    embedding, a logged term, or the gradient of a weight (that of the last layer, from which the others have it). The
    compiled step itself takes note of it (`keras_ssl.training.finite_watch`), which costs one pass over the gradients;
    nothing is waited for. A bad gradient of a finite loss comes to light with the next step, or at the end of the
    epoch. (Keras' TerminateOnNaN looks at the loss only, and knows no cause.)

    Under dynamic loss scaling (mixed_float16) an infinite gradient is no fault: the step is not taken and the scale
    halved. Only logged numbers count there, until the scale falls below 2**-16: if gradients still overflow then, they
    do by themselves, every step would be skipped for good, and this ends the run.

    With `Checkpoint` the last good checkpoint stays: a state with NaN or infinity is never saved.

    Raises:
        FloatingPointError: in `fit`.

    Example:

    ```python
    model.fit(images, epochs=100, callbacks=[keras_ssl.callbacks.StopOnNaN(), keras_ssl.callbacks.Checkpoint("runs/1")])
    ```
    """

    def __init__(self) -> None:
        super().__init__()
        self._watched: SSLModel | None = None

    def before_fit(self, model: SSLModel, run: Run) -> Position | None:
        with _scope(model):
            self._watch = FiniteWatch()
        self._watched = model
        model.watch_finite(self._watch)
        return None

    def after_fit(self) -> None:
        if self._watched is not None:
            self._watched.watch_finite(None)
            self._watched = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not _finite(logs or {}):
            self._stop(logs or {}, f"batch {batch} of epoch {self._epoch}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        losses = {name: value for name, value in (logs or {}).items() if name in ("loss", "val_loss")}
        if not _finite(losses) or self._watch.first_bad() is not None:
            self._stop(losses, f"the end of epoch {epoch}")

    def _stop(self, logs: Logs, where: str) -> None:
        model = self.model  # on JAX this brings the flags up to date
        cause = self._watch.first_bad()
        if isinstance(cause, int):
            names = {id(variable): name for name, variable in named_weights(model).items()}
            cause = f"the gradient of `{names[id(model.trainable_variables[cause])]}`"
        bad = ", ".join(f"{name}={float(value)}" for name, value in logs.items() if not np.isfinite(value))
        raise FloatingPointError(
            f"Training was stopped at {where}: NaN or infinity came up first in {cause or 'what is logged'}. "
            f"Received: {bad or 'finite losses'}"
        )


def _finite(logs: Logs) -> bool:
    return all(np.isfinite(float(value)) for value in logs.values())


def _scope(model: Any) -> Any:
    """Where the model's variables are made."""
    strategy = getattr(model, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()
