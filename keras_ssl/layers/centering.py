"""The running center of a teacher's outputs."""

from typing import Any

import keras

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class Centering(StateLayer):
    """Subtracts a running mean: `x - center`, so that no dimension of a teacher's output can win everywhere.

    `center = m * center + (1 - m) * mean(x)`, the mean over the global batch, moved by `update` alone: once for each
    optimizer step. Starts at zero; float32, saved with the model.

    Args:
        dimension: width of the outputs.
        momentum: m, in [0, 1]. Defaults to `0.9`.

    Input and output: `[N, dimension]`.

    Raises:
        ValueError: if the dimension is not a positive integer or the momentum lies outside [0, 1].

    Example:

    >>> centering = Centering(2, momentum=0.5)
    >>> centering.update(keras.ops.array([[2.0, 0.0], [4.0, 0.0]]))
    >>> [float(value) for value in centering(keras.ops.zeros((1, 2)))[0]]
    [-1.5, 0.0]

    Reference: [Emerging Properties in Self-Supervised Vision Transformers](https://arxiv.org/abs/2104.14294).
    """

    def __init__(self, dimension: int, momentum: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must lie in [0, 1]. Received: momentum={momentum}")
        self.dimension, self.momentum = check_integer("dimension", dimension, 1), momentum
        self._center = self.add_weight(name="center", shape=(self.dimension,), initializer="zeros", trainable=False)
        self.built = True

    @property
    def center(self) -> Tensor:
        """The running mean, `[dimension]`."""
        return keras.ops.convert_to_tensor(self._center)

    def call(self, inputs: Tensor) -> Tensor:
        return inputs - self.center

    def update(self, outputs: Tensor, updated: Tensor | bool = True) -> None:
        """Moves the center towards the mean of `outputs` `[N, dimension]`, where `updated` is true."""
        old = self.center
        mean = keras.ops.mean(keras.ops.cast(outputs, old.dtype), axis=0)
        self._center.assign(keras.ops.where(updated, self.momentum * old + (1.0 - self.momentum) * mean, old))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
