"""Weights of the samples of a batch by their losses of the moment."""

import math
from numbers import Real
from typing import Any, Literal

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.typing import Tensor

__all__ = ["LossReweighting"]

_STRATEGIES = ("linupper", "quadratic", "extremes")


@keras.saving.register_keras_serializable(package="keras_ssl")
class LossReweighting(keras.layers.Layer):
    """The weighted mean of a batch's losses, where samples that are too easy (or at an extreme) count less.

    Losses `l` of a batch are scaled to `h = delta (2 l - max - min) / (max - min)` in [-delta, delta], and

        w = softmax(s(h) / r),   loss = sum_i w_i l_i,

    with `s(h)` by strategy:

    - `"linupper"`: `min(h + delta, delta)`: losses above the middle count alike, those below the less the lower;
    - `"quadratic"`: `1 - h^2 / delta^2`: medium losses count most;
    - `"extremes"`: `|h|`: the lowest and the highest count most.

    The weights carry no gradient and sum to 1. A batch of equal losses has `h = 0`: the plain mean, as for a large `r`.
    The weights do not change if all losses are shifted, or scaled by a positive number.

    The temperature `r` falls linearly from `initial_temperature` to `temperature` during the first `annealing_steps`
    training calls; the layer counts them. (The authors' code leaves the first steps unweighted instead.)

    Use it in `compute_loss` of a model, on losses that are not reduced. Infinite losses are not defined.

    Args:
        strategy: `"linupper"`, `"quadratic"` or `"extremes"`. Defaults to `"linupper"`.
        delta: half the range of the scaled losses, positive. Defaults to 1.0.
        temperature: `r` in the end, positive; infinity is the plain mean. Defaults to 1.0.
        initial_temperature: `r` at the start, not below `temperature`. Defaults to None: the same.
        annealing_steps: number of training calls from the first to the last temperature, 0 or more. Defaults to 0.
        **kwargs: of `keras.layers.Layer`.

    Call arguments:
        losses: of the samples, `[N]`, without reduction.
        training: whether the call counts as a step. Defaults to None: as the model says.

    Returns:
        The loss, a float32 scalar.

    Raises:
        ValueError: if an argument is out of range, or the losses are no vector.

    Example:

    >>> reweighting = LossReweighting("linupper", temperature=1.0)
    >>> weights = reweighting.weights_at(keras.ops.array([0.0, 1.0, 2.0]), temperature=1.0)
    >>> [round(float(weight), 3) for weight in weights]
    [0.155, 0.422, 0.422]

    In a model:

    ```python
    class Classifier(keras.Model):
        def __init__(self, network):
            super().__init__()
            self.network, self.reweighting = network, LossReweighting(temperature=0.5)

        def call(self, x):
            return self.network(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            losses = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
            return self.reweighting(losses, training=training)
    ```

    Reference: Sow et al., "Dynamic Loss-Based Sample Reweighting for Improved Large Language Model Pretraining", ICLR
    2025.
    """

    def __init__(
        self,
        strategy: Literal["linupper", "quadratic", "extremes"] = "linupper",
        delta: float = 1.0,
        temperature: float = 1.0,
        initial_temperature: float | None = None,
        annealing_steps: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if strategy not in _STRATEGIES:
            raise ValueError(f"`strategy` must be one of {_STRATEGIES}. Received: strategy={strategy!r}")
        self.strategy = strategy
        self.delta = check_number("delta", delta, 0.0, above=True)
        self.temperature = _temperature("temperature", temperature)
        initial = self.temperature if initial_temperature is None else initial_temperature
        self.initial_temperature = _temperature("initial_temperature", initial)
        self.annealing_steps = check_integer("annealing_steps", annealing_steps, 0)
        if self.initial_temperature < self.temperature or (
            self.annealing_steps and math.isinf(self.initial_temperature)
        ):
            raise ValueError(
                "`initial_temperature` must not be below `temperature`, and finite where it falls. "
                f"Received: initial_temperature={initial_temperature}, temperature={temperature}, "
                f"annealing_steps={annealing_steps}"
            )
        self.steps = self.add_weight(
            name="steps", shape=(), initializer="zeros", dtype="int32", trainable=False, autocast=False
        )

    def build(self, input_shape: Any) -> None:
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
        return ()

    def temperature_at(self, step: Tensor) -> Tensor:
        """The temperature `r` of a training call, counted from 0: a float32 scalar."""
        ops = keras.ops
        if not self.annealing_steps:
            return ops.convert_to_tensor(self.temperature, "float32")
        share = ops.minimum(ops.cast(step, "float32") / self.annealing_steps, 1.0)
        return self.initial_temperature + (self.temperature - self.initial_temperature) * share

    def weights_at(self, losses: Tensor, temperature: Tensor) -> Tensor:
        """Weights of losses `[N]` at a temperature: `[N]` with the sum 1, without gradient."""
        ops = keras.ops
        losses = ops.stop_gradient(as_float(losses))
        if len(losses.shape) != 1:
            raise ValueError(f"`losses` must be a vector [N]. Received: losses=shape {tuple(losses.shape)}")
        low, high = ops.min(losses), ops.max(losses)
        span = high - low
        spread = span > 0
        # From -1 to 1 at first: the ends must be exact.
        place = 2.0 * (losses - low) / ops.where(spread, span, ops.ones_like(span)) - 1.0
        scaled = self.delta * ops.where(spread, place, ops.zeros_like(place))
        if self.strategy == "linupper":
            score = ops.minimum(scaled + self.delta, self.delta)
        elif self.strategy == "quadratic":
            score = 1.0 - ops.square(scaled / self.delta)
        else:
            score = ops.abs(scaled)
        return ops.stop_gradient(ops.softmax(score / ops.cast(temperature, score.dtype)))

    def call(self, losses: Tensor, training: bool | None = None) -> Tensor:
        losses = as_float(losses)
        weights = self.weights_at(losses, self.temperature_at(self.steps))
        if training:
            self.steps.assign(self.steps + 1)
        return keras.ops.sum(weights * losses)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "strategy": self.strategy,
            "delta": self.delta,
            "temperature": self.temperature,
            "initial_temperature": self.initial_temperature,
            "annealing_steps": self.annealing_steps,
        }


def _temperature(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) > 0:
        raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}")
    return float(value)
