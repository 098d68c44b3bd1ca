"""An exponential moving average of a vector."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.typing import Tensor

__all__ = ["RunningMean"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class RunningMean(StateLayer):
    """An exponential moving average of vectors `[width]`; float32, saved with the model.

    `mean = momentum * mean + (1 - momentum) * new`. No correction is made for the start.

    Args:
        initial: what the average holds at the start; its length is the width.
        momentum: in [0, 1]. Defaults to 0.999.
        **kwargs: `name`, `dtype`.

    Raises:
        ValueError: if `initial` is empty or not finite, or `momentum` lies outside [0, 1].

    Example:

    >>> average = RunningMean((0.5, 0.5), momentum=0.5)
    >>> average.update(keras.ops.array([1.0, 0.0]))
    >>> keras.ops.convert_to_numpy(average.contents).tolist()
    [0.75, 0.25]

    Reference: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017, for such averages of
    weights.
    """

    def __init__(self, initial: Sequence[float], momentum: float = 0.999, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = [float(number) for number in initial]
        if not self.initial or not np.isfinite(self.initial).all():
            raise ValueError(f"`initial` must hold at least one finite number. Received: initial={initial}")
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"`momentum` must lie in [0, 1]. Received: momentum={momentum}")
        self.momentum = float(momentum)
        self._contents = self.add_weight(
            name="contents",
            shape=(len(self.initial),),
            initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(self.initial, dtype=dtype),
            trainable=False,
        )
        self.built = True

    @property
    def contents(self) -> Tensor:
        """The average so far, `[width]`."""
        return keras.ops.convert_to_tensor(self._contents)

    def blend(self, new: Tensor, counted: Tensor | bool = True) -> Tensor:
        """What the average becomes with `new` `[width]`, without gradient; the average as it is where not `counted`."""
        new = keras.ops.stop_gradient(keras.ops.cast(new, self.contents.dtype))
        # Before the choice, because what does not count may be NaN.
        return keras.ops.where(counted, self.momentum * self.contents + (1.0 - self.momentum) * new, self.contents)

    def update(self, new: Tensor, counted: Tensor | bool = True) -> None:
        """Takes `new` into the average, where `counted` is true."""
        self.assign(self.blend(new, counted))

    def assign(self, value: Tensor) -> None:
        """Sets the average to `value` `[width]`, such as `blend` gave."""
        self._contents.assign(value)
