"""Stochastic depth: residual branches left out at random."""

from typing import Any

import keras

from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class DropPath(Configured, keras.layers.Layer):
    """Sets a residual branch to zero for a random part of the samples in training, and scales up the rest.

    Sample `i` keeps its branch, divided by `1 - rate`, where its draw `u_i >= rate`. The draws come from outside,
    as a rule from one `UniformDraws` for the whole network: random numbers cost less made together. Nothing is done
    at inference, nor in the copy of a network that an `EMATeacher` holds.

    Args:
        rate: probability of leaving out, in [0, 1).
        column: which of the draws is the branch's. Defaults to 0.

    Input: the branch `[N, ...]`, and draws `[N, count]` in [0, 1). Output: of the branch's shape.

    Raises:
        ValueError: if `rate` lies outside [0, 1).

    Example:

    >>> branch, draws = keras.ops.ones((2, 1)), keras.ops.array([[0.1], [0.9]])
    >>> keras.ops.convert_to_numpy(DropPath(0.5)([branch, draws], training=True)).ravel().tolist()
    [0.0, 2.0]

    Reference: Huang et al., "Deep networks with stochastic depth", ECCV 2016, https://arxiv.org/abs/1603.09382.
    """

    def __init__(self, rate: float, column: int = 0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # draws in half precision would change the rate
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"`rate` must lie in [0, 1). Received: rate={rate}")
        self.rate = float(rate)
        self.column = int(column)
        self.built = True

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        branch, draws = inputs
        if not training or not self.rate:
            return branch
        kept = keras.ops.cast(draws[:, self.column] >= self.rate, branch.dtype) / (1.0 - self.rate)
        return branch * keras.ops.reshape(kept, (-1, *[1] * (len(branch.shape) - 1)))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return input_shape[0]
