"""Random numbers for every sample of a batch, in training."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import current_stream
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class UniformDraws(Configured, keras.layers.Layer):
    """`count` uniform numbers in [0, 1) for every row of the input in training, zeros otherwise; float32.

    In an `SSLModel` the numbers are a pure function of seed, step and the sample's position in the global batch, as
    its views are: replicas do not change them, and a resumed run draws what an uninterrupted one would. In any other
    model they come from a seed generator of Keras.

    Args:
        count: how many numbers a row gets.

    Input: `[N, ...]`. Output: `[N, count]`.

    Raises:
        ValueError: if `count` is not a positive integer.

    Example:

    >>> tuple(UniformDraws(3)(keras.ops.ones((2, 8)), training=True).shape)
    (2, 3)
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.count = check_integer("count", count, 1)
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        rows = keras.ops.shape(x)[0]
        if not training:
            return keras.ops.zeros((rows, self.count), "float32")
        stream = current_stream()
        if stream is None:
            return keras.random.uniform((rows, self.count), dtype="float32", seed=self.seed_generator)
        return stream.uniform_rows(rows, self.count)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.count)
