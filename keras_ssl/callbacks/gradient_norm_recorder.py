"""The norm of every gradient of a run, for a schedule made from it."""

from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Logs

__all__ = ["GradientNormRecorder"]


class GradientNormRecorder(keras.callbacks.Callback):
    """Notes the norm of the gradient of every step: what `keras_ssl.schedules.RefinedSchedule` is made from.

        order 2:  sqrt(sum of all squares)        for SGD
        order 1:  sum of all absolute values      for Adam

    over all trainable variables together, before the optimizer clips or accumulates. It works with any Keras model and
    optimizer: the norm is computed within the compiled step, in a variable that the optimizer has during `fit`. Under
    dynamic loss scaling the norms are those of the scaled gradients. With several steps per execution only the last of
    each is noted, so they are refused. One device.

    Args:
        order: 1 or 2. Defaults to 2.

    Attributes:
        norms: float64 array, one norm for each step of all calls of `fit`.

    Raises:
        ValueError: if `order` is another number; in `fit`, if the model has no optimizer or runs several steps per
            execution.

    Example:

    ```python
    recorder = keras_ssl.callbacks.GradientNormRecorder()
    model.fit(images, labels, epochs=10, callbacks=[recorder])
    schedule = keras_ssl.schedules.RefinedSchedule(0.1, recorder.norms)
    ```

    Reference: Defazio et al., "When, why and how much? Adaptive learning rate scheduling by refinement", 2023,
    https://arxiv.org/abs/2310.07831.
    """

    def __init__(self, order: int = 2) -> None:
        super().__init__()
        if isinstance(order, bool) or order not in (1, 2):
            raise ValueError(f"`order` must be 1 or 2. Received: order={order!r}")
        self.order = int(order)
        self._norms: list[float] = []
        self._norm: Any = None
        self._hooked: Any = None

    @property
    def norms(self) -> np.ndarray:
        """The norms so far."""
        return np.array(self._norms, "float64")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = self.model
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            raise ValueError("The model must have an optimizer. Received: optimizer=None")
        if getattr(model, "steps_per_execution", 1) != 1:
            raise ValueError(
                f"`steps_per_execution` must be 1. Received: steps_per_execution={model.steps_per_execution}"
            )
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self._norm = keras.Variable(0.0, dtype="float32", trainable=False, name="gradient_norm")
        optimizer._track_variable(self._norm)  # so that JAX carries it through the step
        self._hooked, apply = optimizer, optimizer.apply

        def apply_and_note(grads: Any, trainable_variables: Any = None) -> Any:
            self._norm.assign(self._measure(list(grads)))
            return apply(grads, trainable_variables)

        optimizer.apply = apply_and_note
        model.make_train_function(force=True)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        _ = self.model  # on JAX this brings the variable up to date
        self._norms.append(float(keras.ops.convert_to_numpy(self._norm)))

    def on_train_end(self, logs: Logs | None = None) -> None:
        model = self.model
        if self._hooked is not None:
            del self._hooked.apply
            self._hooked._untrack_variable(self._norm)
            self._hooked = None
            model.train_function = None  # it holds the variable

    def _measure(self, gradients: list[Any]) -> Any:
        ops = keras.ops
        dense = [
            ops.cast(ops.convert_to_tensor(gradient, sparse=False), "float32")
            for gradient in gradients
            if gradient is not None
        ]
        if self.order == 1:
            return sum((ops.sum(ops.abs(gradient)) for gradient in dense), ops.zeros(()))
        return ops.sqrt(sum((ops.sum(ops.square(gradient)) for gradient in dense), ops.zeros(())))
