"""The running covariance that TiCo contrasts against."""

from typing import Any

import keras

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class RunningCovariance(StateLayer):
    """An exponential moving average of matrices `[dimension, dimension]`, float32, saved with the model.

    `C = decay * C + (1 - decay) * new`, from zero, without a correction for the start (as in TiCo).

    Args:
        dimension: number of rows and columns.
        decay: in [0, 1). Defaults to `0.9`.

    Raises:
        ValueError: if `dimension` is not a positive integer or `decay` not in [0, 1).

    Example:

    >>> covariance = RunningCovariance(2, decay=0.5)
    >>> covariance.update(keras.ops.eye(2))
    >>> float(covariance.contents[0, 0])
    0.5
    """

    def __init__(self, dimension: int, decay: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1). Received: decay={decay}")
        self.dimension, self.decay = check_integer("dimension", dimension, 1), decay
        self._contents = self.add_weight(
            name="contents", shape=(self.dimension, self.dimension), initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def contents(self) -> Tensor:
        """The average so far."""
        return keras.ops.convert_to_tensor(self._contents)

    def blend(self, new: Tensor) -> Tensor:
        """What the average becomes with `new`; the gradient flows into `new`."""
        return self.decay * self.contents + (1.0 - self.decay) * keras.ops.cast(new, "float32")

    def update(self, new: Tensor, updated: Tensor | bool = True) -> None:
        """Takes `new` into the average, unless `updated` is false."""
        self._contents.assign(keras.ops.where(updated, keras.ops.stop_gradient(self.blend(new)), self.contents))
