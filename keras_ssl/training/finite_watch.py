"""Where in a training step a NaN or an infinity first appears."""

from typing import Any

import keras
import numpy as np

from keras_ssl.training.batch import is_views
from keras_ssl.typing import Logs, Tensor

_ROOM = 126  # for inputs, embeddings and logged scalars
_LEAST_SCALE = 2.0**-16  # a gradient that overflows float16 even then is above 2**32: no scale will mend it


class FiniteWatch:
    """Notes, inside the compiled step, which tensor of the first bad step was the first that was not finite.

    A step's tensors in the order in which they are computed are: the inputs; the embeddings; the logged scalars, the
    loss first; the gradients, from the last layer to the first. Once something was bad, later steps are not looked at:
    soon everything is. Nothing leaves the device until `first_bad` is called.

    Under dynamic loss scaling infinite gradients are a normal thing, and skipped. They are looked at only once the
    scale has come down below 2**-16, which from Keras' first, 2**15, takes 31 bad steps in a row: what is bad then is
    the gradient itself, and without an end every step would be skipped.
    """

    # A plain object, so that Keras does not take the flags for a part of the model, which would change its files.

    def __init__(self) -> None:
        self.flags = _Flags(_ROOM + 2, name="finite_watch")
        self.names: list[str] = []

    def note(
        self,
        inputs: Any,
        embeddings: dict[str, Tensor],
        logs: Logs,
        gradients: list[Tensor | None],
        scale: Tensor | None = None,
    ) -> None:
        """Looks at the tensors of a step. Called where the step is traced.

        Args:
            inputs: the batch's `x`.
            embeddings, logs: by name, of the global batch.
            gradients: of the trainable weights, in their order.
            scale: under dynamic loss scaling, what the loss was multiplied by.
        """
        if isinstance(inputs, dict) and len(inputs) > _ROOM // 2:
            named = {"a column of the input `x`": _joined(inputs)}
        elif isinstance(inputs, dict):
            named = {f"the input `x[{name!r}]`": column for name, column in inputs.items()}
        else:
            views = inputs if is_views(inputs) else (inputs,)
            named = {f"the input `x[{i}]`" if len(views) > 1 else "the input `x`": v for i, v in enumerate(views)}
        named |= {f"the embedding `{name}`": part for name, part in embeddings.items()}
        named |= {f"the logged `{name}`": part for name, part in logs.items()}
        if len(named) > _ROOM:
            raise ValueError(f"A step is watched for at most {_ROOM} tensors. Received: {len(named)} tensors")
        self.names = list(named)
        bad = keras.ops.stack([_is_bad(part) for part in named.values()])
        last = [_is_bad(gradient) * place for place, gradient in enumerate(gradients, 1) if gradient is not None]
        place = keras.ops.max(keras.ops.stack(last)) if last else keras.ops.zeros(())
        if scale is not None:
            place = keras.ops.where(scale < _LEAST_SCALE, place, keras.ops.zeros_like(place))
        gradient = [keras.ops.cast(place > 0, "float32"), place]
        self.flags.update_state(
            keras.ops.concatenate([keras.ops.pad(bad, (0, _ROOM - len(named))), keras.ops.stack(gradient)])
        )

    def first_bad(self) -> str | int | None:
        """What was the first to be bad since the epoch began: a name, the place of a gradient, or None."""
        flags = np.asarray(keras.ops.convert_to_numpy(self.flags.result_flags()))
        for name, flag in zip(self.names, flags, strict=False):
            if flag:
                return name
        # Each replica adds its own, and their gradients are the same.
        return int(round(flags[-1] / flags[-2])) - 1 if flags[-2] else None


class _Flags(keras.metrics.Metric):
    def __init__(self, size: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.flags = self.add_variable(shape=(size,), initializer="zeros", name="flags")

    def update_state(self, flags: Tensor) -> None:
        # Every flag of a later step counts for nothing where one is set.
        free = keras.ops.cast(keras.ops.max(self.flags) == 0, "float32")
        self.flags.assign_add(flags * free)

    def result(self) -> Logs:
        return {}

    def result_flags(self) -> Tensor:
        return keras.ops.convert_to_tensor(self.flags)


def _joined(columns: dict[str, Tensor]) -> Tensor:
    """All floating numbers of a wide table."""
    floating = [c for c in columns.values() if "float" in keras.backend.standardize_dtype(c.dtype)]
    parts = [keras.ops.reshape(keras.ops.cast(column, "float32"), (-1,)) for column in floating]
    return keras.ops.concatenate(parts) if parts else keras.ops.zeros(())


def _is_bad(part: Tensor) -> Tensor:
    """1 where a tensor holds NaN or infinity, else 0."""
    part = getattr(part, "values", part)  # TensorFlow's sparse gradient of a look-up
    if "float" not in keras.backend.standardize_dtype(part.dtype):
        return keras.ops.zeros(())
    return 1.0 - keras.ops.cast(keras.ops.all(keras.ops.isfinite(part)), "float32")
