"""The base of methods that change a model while it predicts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.layers.pixel_scale import check_batched, check_not_cast
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor


class Adapter(ABC):
    """Predicts and adapts: `step(x)` returns predictions for a batch and changes the model by it.

    The model is changed in place. `restore()` brings back the weights of the last `snapshot()`, which the constructor
    takes first, together with the optimizer's state; `adapter.model` is a Keras model as before. A batch may hold a
    single sample.

    A subclass writes `loss(outputs)`, and `adapted_variables()` where not all trainable weights are adapted.

    Args:
        model: a built classifier, `[N, ...] -> logits [N, K]`.
        optimizer: a Keras optimizer or its name. Defaults to "adam".
        steps: gradient steps for each batch. Defaults to 1.

    Raises:
        ValueError: if the model is not built or gives no `[N, K]`, `steps` is no positive integer, or nothing of the
            model can be adapted.
    """

    least_steps: ClassVar[int] = 1
    """The least number of gradient steps for each batch."""

    def __init__(self, model: keras.Model, optimizer: Any = "adam", steps: int = 1) -> None:
        self.check_model(model)
        self.model = model
        self.steps = check_integer("steps", steps, self.least_steps)
        self.variables: Sequence[keras.Variable] = self.adapted_variables()
        if not self.variables:
            raise ValueError(
                f"{type(self).__name__} finds nothing to adapt in the model. Received: model={model.name!r}"
            )
        self.optimizer = keras.optimizers.get(optimizer)
        self.optimizer.build(list(self.variables))
        self._all = [*model.variables, *self.optimizer.variables]
        self._program = backend.stateful_program(self._all, self._adapt)
        self.snapshot()

    @abstractmethod
    def loss(self, outputs: Tensor) -> Tensor:
        """The scalar that adaptation lowers, of the model's outputs `[N, K]`."""

    def check_model(self, model: Any) -> None:
        """Raises a `ValueError` where the model cannot be adapted."""
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(f"`model` must be a built keras.Model. Received: model={model!r}")
        shape = model.output_shape
        if not isinstance(shape, tuple) or len(shape) != 2:
            raise ValueError(f"`model` must give logits [N, K]. Received: output shape {shape}")

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and what `step` returns of it. Defaults to `loss` of the model's outputs."""
        outputs = self.model(inputs, training=True)
        return self.loss(outputs), outputs

    def adapted_variables(self) -> Sequence[keras.Variable]:
        """The variables that adaptation changes by gradients. Defaults to all trainable ones."""
        return self.model.trainable_variables

    def step(self, x: Any) -> np.ndarray:
        """Adapts to a batch and returns its predictions `[N, K]`: those before the last gradient step, as in Tent.

        Args:
            x: inputs `[N, ...]`, N at least 1.

        Raises:
            ValueError: if the batch is empty or a single sample, holds floats where the model's `Input` is one of
                integers, or its loss is not finite; the model is then as it was.
        """
        inputs = keras.ops.convert_to_tensor(x)
        check_not_cast("x", inputs, self.model)
        shape = getattr(self.model, "input_shape", None) if getattr(self.model, "inputs", None) else None
        if isinstance(shape, tuple):
            check_batched("x", inputs, len(shape))
        if not inputs.shape or not inputs.shape[0]:
            raise ValueError(f"`x` must hold at least one sample. Received: x.shape={tuple(inputs.shape)}")
        for _ in range(self.steps):
            outputs, loss = self._program(inputs)
            if not np.isfinite(keras.ops.convert_to_numpy(loss)):
                raise ValueError(f"The loss of a batch must be finite. Received: loss={float(loss)}")
        return np.asarray(keras.ops.convert_to_numpy(outputs))

    def snapshot(self) -> None:
        """Keeps the present weights and optimizer state for `restore`."""
        self._kept = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._all]

    def restore(self) -> None:
        """Brings back the weights and the optimizer state of the last `snapshot`."""
        for variable, value in zip(self._all, self._kept, strict=True):
            variable.assign(value)

    def _adapt(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """One gradient step. Moving statistics stay as they are: every batch is normalized by its own."""
        before = [
            keras.ops.add(keras.ops.convert_to_tensor(v), 0) for v in (*self.variables, *self.optimizer.variables)
        ]

        (loss, outputs), gradients = backend.value_and_gradients(
            self.model, lambda: self.forward(inputs), self.variables, at=before[: len(self.variables)]
        )
        backend.apply(self.optimizer, gradients, list(self.variables))
        finite = keras.ops.isfinite(loss)
        for variable, old in zip((*self.variables, *self.optimizer.variables), before, strict=True):
            variable.assign(keras.ops.where(finite, keras.ops.convert_to_tensor(variable), old))
        return outputs, loss
